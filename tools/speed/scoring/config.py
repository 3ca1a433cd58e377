"""The flags of ``python -m tools.speed scoring``."""

from dataclasses import dataclass
from typing import Annotated

from core.cli import AtLeast, AtMost
from tools.speed.record import RECORDS


@dataclass(frozen=True)
class ScoringSpeedConfig:
    """Time scoring beside contour searches and component labelling, on one machine in one run.

    ``python -m tools.speed scoring``.
    """

    page: bool = False
    """Measure nothing: write the page again from the record."""
    quick: bool = False
    """Very little of everything in a minute, written below runs/speed: shows that it works, its figures say nothing."""
    positions: Annotated[tuple[int, ...], AtLeast(2)] = (7, 14, 32)
    """Sides of the small maps that are scored in a frame of 1024 pixels."""
    thresholds: Annotated[tuple[int, ...], AtLeast(1)] = (100, 1000)
    """How many score thresholds they are tried at."""
    sizes: Annotated[tuple[int, ...], AtLeast(8)] = (224, 28, 112, 512, 1024)
    """Sides in pixels of the maps that live on pixels; the original evaluator's way is timed at the first."""
    levels: Annotated[tuple[int, ...], AtLeast(1)] = (100, 1000)
    """Score thresholds there: few and many."""
    grids: Annotated[tuple[int, ...], AtLeast(2)] = (7, 16)
    """Sides of the maps with which a whole data set is scored."""
    methods: Annotated[int, AtLeast(1)] = 10
    """How many methods are scored on it."""
    images: Annotated[int, AtLeast(20), AtMost(880)] = 880
    """How many of its images there are."""
    rounds: Annotated[int, AtLeast(1)] = 7
    """How often each contender is timed, in turn with the others; the minimum counts."""
    budget: Annotated[float, AtLeast(0)] = 2.0
    """Seconds after which a contender has no further round; everyone has one."""
    records: str = RECORDS
    """The folder of the records: a file for each subject and machine; the page shows all of them."""
    output: str = "docs/scoring_speed.md"
    """The page."""
