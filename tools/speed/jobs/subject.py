"""What ``python -m tools.speed jobs`` measures and shows."""

from dataclasses import dataclass
from typing import Annotated

from core.cli import AtLeast
from tools.speed.page import Section, measured, on, rounds
from tools.speed.record import Row, SpeedRecord, quotient
from tools.speed.subject import SpeedConfig, Subject


@dataclass(frozen=True)
class JobsSpeedConfig(SpeedConfig):
    """Time the explaining and scoring of a suite, one job at a time and several, of one thread each.

    ``python -m tools.speed jobs``.
    """

    models: Annotated[int, AtLeast(1)] = 3
    """Small networks, trained for a moment before the clock starts."""
    images: Annotated[int, AtLeast(20)] = 600
    """Test images of the phantom, which each one explains."""
    slow_images: Annotated[int, AtLeast(1)] = 60
    """How many of them the slow methods explain."""
    methods: tuple[str, ...] = ("fast", "occlusion", "ablationcam")
    """Words of methods."""
    protocols: tuple[str, ...] = ("locus", "energy", "pointing", "wang")
    """Words of protocols."""
    jobs: Annotated[tuple[int, ...], AtLeast(1)] = (1, 2)
    """How many jobs at a time."""
    rounds: Annotated[int, AtLeast(1)] = 2
    """How often each number of jobs is timed, in turn with the others; the minimum counts."""


def times_one(record: SpeedRecord, row: Row) -> float | None:
    """How many times as long one job at a time takes."""
    return quotient(record.beside(row, row.contender, jobs=1), row, "wall_s")


SUBJECT = Subject(
    name="jobs",
    config=JobsSpeedConfig,
    tiny={"models": 1, "images": 20, "methods": ("cam",), "protocols": ("locus",), "rounds": 1},
    title="Two jobs at a time",
    about="""
`python -m benchmark.run --jobs N` ([reproduce.md](reproduce.md)) explains and scores trained networks, with one thread
per job and a new interpreter each time. If the machine is busy, N jobs get a larger share of it than one.""",
    sections=(
        Section(
            "jobs",
            "Explaining and scoring",
            "{models} small networks, {images} phantoms: {steps} explanations and scorings.",
            {
                "jobs": on("jobs"),
                "seconds": measured("wall_s"),
                "CPU seconds": measured("cpu_s"),
                "load": measured("load"),
                "× as fast as one": times_one,
                "rounds": rounds,
            },
        ),
    ),
)
