"""Time the protocol ``added`` beside ``single_box`` on cases like those of ``nih-sample``."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

from locus.core import limits
from locus.core.names import ADDED, MAIN_PROTOCOL
from locus.flags.parser import AtLeast, AtMost
from locus.scoring import protocols
from locus.scoring.protocols.base import Case, with_truth
from tools.speed import timing
from tools.speed.scoring import BOXES, IMAGES, cases
from tools.speed.timing import compared, table


@dataclass(frozen=True)
class AddedConfig:
    """Time ``added`` beside ``single_box``: ``python -m tools.speed added``."""

    cases: Annotated[int, AtLeast(100), AtMost(984)] = 604
    """Number of cases of one row."""
    grids: Annotated[tuple[int, ...], AtLeast(2)] = (16,)
    """Sides of the maps."""
    rounds: Annotated[int, AtLeast(1)] = 3
    """Number of rounds. Both protocols are timed in turn, and the minimum counts."""


def report(config: AddedConfig) -> Iterator[str]:
    """Yield the machine and a table of the seconds of both protocols, in one process."""
    yield timing.machine(limits.cpus(), "numpy", "numba")
    rows = []
    for side in config.grids:
        held_out = with_truth(cases(IMAGES, side, 0))[: config.cases]
        calls = {name: partial(score, name, held_out) for name in (MAIN_PROTOCOL, ADDED)}
        for call in calls.values():
            call()  # compiles
        timed = timing.fastest(calls, config.rounds, budget=600)
        least = timed[MAIN_PROTOCOL].least
        ratios = {
            name: None if name == MAIN_PROTOCOL else seconds.least / least
            for name, seconds in timed.items()
        }
        rows += [
            (name, f"{side}×{side}", compared(seconds.wall, ratios[name]))
            for name, seconds in timed.items()
        ]
    yield f"Milliseconds for a row of {config.cases} cases:\n\n" + table(
        ("protocol", "maps", "time"), rows
    )


def score(name: str, held_out: list[Case]) -> None:
    """Score cases whose surfaces are not cached."""
    protocols.get(name)().evaluate([replace(case) for case in held_out], tuple(BOXES))
