"""Flags and tables of ``python -m tools.speed external``."""

from dataclasses import dataclass
from typing import Annotated

from core.cli import AtLeast
from tools.speed.page import Section, measured, on
from tools.speed.subject import SpeedConfig, Subject


@dataclass(frozen=True)
class ExternalSpeedConfig(SpeedConfig):
    """Measure the time and memory of ``locus`` on maps in files: ``python -m tools.speed external``."""

    side: Annotated[int, AtLeast(8)] = 1024
    """Side of the large maps."""
    cases: Annotated[int, AtLeast(4)] = 40
    """Number of large maps of each kind per call."""
    more: Annotated[int, AtLeast(4)] = 160
    """Number of large maps of the first kind in a second call, to compare the memory."""
    small: Annotated[tuple[int, ...], AtLeast(2)] = (14, 64)
    """Sides of the small maps."""
    many: Annotated[int, AtLeast(4)] = 10_000
    """Number of small maps per call."""


COLUMNS = {
    "map": on("map"),
    "side": on("side"),
    "cases": on("cases"),
    "CPU ms per case": measured("cpu_ms"),
    "ms per case": measured("wall_ms"),
    "peak MiB": measured("mib"),
}
SECTIONS = (
    Section("large", "Smooth maps", "Maps are blurred noise, a resized class activation map and a Gaussian.", COLUMNS),
    Section("noise", "Pixel noise", "The worst case, without a goal: each of a million pixels is a peak.", COLUMNS),
    Section("many", "Many small maps", "Maps are random and have the size of class activation maps.", COLUMNS),
)
SUBJECT = Subject(
    name="external",
    config=ExternalSpeedConfig,
    tiny={"side": 64, "cases": 8, "more": 16, "small": (14,), "many": 40},
    title="Your own maps",
    about="""
The protocol `locus` scores one finding, with confidence intervals from 10,000 resamples. Each map is read from its
`.npy` file when it is needed. `python -m benchmark.score` keeps the first 64 MiB of maps in memory and does the same
for the others. Each row was measured in a separate process, and the memory is that of the whole process. The files were
in the cache of the operating system.""",
    sections=SECTIONS,
    highlights=(SECTIONS[0], SECTIONS[-1]),
)
