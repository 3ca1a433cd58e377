"""What ``python -m tools.speed external`` measures and shows."""

from dataclasses import dataclass
from typing import Annotated

from core.cli import AtLeast
from tools.speed.page import Section, measured, on
from tools.speed.subject import SpeedConfig, Subject


@dataclass(frozen=True)
class ExternalSpeedConfig(SpeedConfig):
    """Time ``locus`` on large maps in files, and measure the memory for few and for many.

    ``python -m tools.speed external``.
    """

    side: Annotated[int, AtLeast(8)] = 1024
    """Of the large maps."""
    cases: Annotated[int, AtLeast(4)] = 40
    """How many large maps of each kind are scored in one call."""
    more: Annotated[int, AtLeast(4)] = 160
    """How many of the first kind are scored once more, for the memory."""
    small: Annotated[tuple[int, ...], AtLeast(2)] = (14, 64)
    """Sides of the small maps."""
    many: Annotated[int, AtLeast(4)] = 10_000
    """How many small ones are scored in one call."""


COLUMNS = {
    "map": on("map"),
    "side": on("side"),
    "cases": on("cases"),
    "CPU ms per case": measured("cpu_ms"),
    "ms per case": measured("wall_ms"),
    "peak MiB": measured("mib"),
}
SECTIONS = (
    Section("large", "Smooth maps", "Blurred noise, a resized class activation map, a Gaussian.", COLUMNS),
    Section(
        "noise",
        "Pixel noise",
        "The worst case: each of a million pixels is a peak. It has no goal.",
        COLUMNS,
    ),
    Section("many", "Many small maps", "Random maps of the size of class activation maps.", COLUMNS),
)
SUBJECT = Subject(
    name="external",
    config=ExternalSpeedConfig,
    tiny={"side": 64, "cases": 8, "more": 16, "small": (14,), "many": 40},
    title="Your own maps",
    about="""
The protocol `locus` on one finding, with intervals from 10,000 resamples. Each map is read from its `.npy` file when it
is needed, as `python -m benchmark.score` does beyond the first 64 MiB. Each row is a separate process; its memory is
that of the whole process. The files are in the system's cache.""",
    sections=SECTIONS,
    highlights=(SECTIONS[0], SECTIONS[-1]),
)
