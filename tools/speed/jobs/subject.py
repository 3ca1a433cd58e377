"""Flags and tables of ``python -m tools.speed jobs``."""

from dataclasses import dataclass
from typing import Annotated

from core.cli import AtLeast
from tools.speed.page import Section, measured, on, rounds
from tools.speed.record import Row, SpeedRecord, quotient
from tools.speed.subject import SpeedConfig, Subject


@dataclass(frozen=True)
class JobsSpeedConfig(SpeedConfig):
    """Time explaining and scoring a suite with one and several jobs of one thread: ``python -m tools.speed jobs``."""

    models: Annotated[int, AtLeast(1)] = 3
    """Number of small networks, trained briefly before the measurement."""
    images: Annotated[int, AtLeast(20)] = 600
    """Number of test images of the phantom to explain."""
    slow_images: Annotated[int, AtLeast(1)] = 60
    """Number of images that the slow methods explain."""
    methods: tuple[str, ...] = ("fast", "occlusion", "ablationcam")
    """Names of methods."""
    protocols: tuple[str, ...] = ("locus", "energy", "pointing", "wang")
    """Names of protocols."""
    jobs: Annotated[tuple[int, ...], AtLeast(1)] = (1, 2)
    """Numbers of parallel jobs."""
    rounds: Annotated[int, AtLeast(1)] = 2
    """Number of rounds. All numbers of jobs are timed in turn, and the minimum counts."""


def times_one(record: SpeedRecord, row: Row) -> float | None:
    """Show the time of one job divided by that of the row."""
    return quotient(record.beside(row, row.contender, jobs=1), row, "wall_s")


SUBJECT = Subject(
    name="jobs",
    config=JobsSpeedConfig,
    tiny={"models": 1, "images": 20, "methods": ("cam",), "protocols": ("locus",), "rounds": 1},
    title="Two jobs at a time",
    about="""
The measurement explains and scores trained networks as `python -m benchmark.run --jobs N` does
([reproduce.md](reproduce.md)). Each job has one thread, and each timing starts a new interpreter. On a busy machine, N
jobs get a larger share of the CPU than one job, so the speed-up is then overstated.""",
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
