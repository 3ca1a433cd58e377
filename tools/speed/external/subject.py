"""What ``python -m tools.speed external`` measures and shows."""

from dataclasses import dataclass
from typing import Annotated

from core.cli import AtLeast
from tools.speed.page import Section, measured, on
from tools.speed.subject import SpeedConfig, Subject


@dataclass(frozen=True)
class ExternalSpeedConfig(SpeedConfig):
    """Time ``locus`` on large maps that lie in files, and watch the memory of few and of many.

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
SUBJECT = Subject(
    name="external",
    config=ExternalSpeedConfig,
    tiny={"side": 64, "cases": 8, "more": 16, "small": (14,), "many": 40},
    file="external_speed.md",
    title="How fast are others' large maps scored, and in how much memory?",
    about="""
The protocol `locus`, whole, on one finding: every map is read from its `.npy` file whenever it is asked for, as
`python -m benchmark.score` does beyond the first 64 MiB, traced over all thresholds, its threshold chosen on other
patients, and scored with intervals from 10,000 resamples. Each row is a process of its own, whose kernels were compiled
before the clock starts; its memory is that of the whole process. What decides is the CPU time of all threads. Sixteen
maps of a kind are drawn and used in turn, so the files are in the system's cache.""",
    worst="that a goal speaks of",
    sections=(
        Section("large", "Smooth maps", "Blurred noise, class activation maps that were resized, a Gaussian.", COLUMNS),
        Section(
            "noise",
            "Pixel noise",
            "The worst case: each of a million pixels is a peak of its own. No goal speaks of it.",
            COLUMNS,
        ),
        Section("many", "Many small maps", "Random maps like class activation maps, as large as stored ones.", COLUMNS),
    ),
)
