"""The flags of ``python -m tools.speed jobs``."""

from dataclasses import dataclass
from typing import Annotated

from core.cli import AtLeast
from tools.speed.record import RECORDS


@dataclass(frozen=True)
class JobsSpeedConfig:
    """Time the explaining and scoring of a suite, one job at a time and several, of one thread each.

    ``python -m tools.speed jobs``.
    """

    page: bool = False
    """Measure nothing: write the page again from the record."""
    quick: bool = False
    """Very little of everything, written below runs/speed: shows that it works, its figures say nothing."""
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
    records: str = RECORDS
    """The folder of the records: a file for each subject and machine; the page shows all of them."""
    output: str = "docs/jobs_speed.md"
    """The page."""
