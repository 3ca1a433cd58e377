"""What the engine promised, and whether a run's figures keep it: always the worst of all networks and sizes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from benchmark.speed.record import ALONE, CAPTUM, FORWARD, PACKAGE_SCORE, PACKAGE_SIX, SCORE, SEVEN, TORCHCAM, Group, Setting, SpeedRecord

USUAL, MOST, ONE = 8, 14, 1
"""Findings that the goals speak of."""


@dataclass(frozen=True)
class Goal:
    """A promise and how it is read from a record."""

    text: str
    limit: float
    at_most: bool
    """Whether the figure may not exceed the limit, or must reach it."""
    read: Callable[[SpeedRecord], dict[str, float | None]]
    """Where -> the figure there; None where it was not measured."""
    unit: str = "×"


@dataclass(frozen=True)
class Verdict:
    """A goal held against a record."""

    goal: Goal
    worst: float | None
    where: str
    met: bool | None
    """None where nothing, or not everything, was measured and what was measured keeps the promise."""


def verdicts(record: SpeedRecord) -> list[Verdict]:
    """Every goal held against the record, in order."""
    return [held(goal, goal.read(record)) for goal in GOALS]


def held(goal: Goal, figures: dict[str, float | None]) -> Verdict:
    """The worst of the ``figures`` decides; a figure that is missing can't keep a promise, but one that fails breaks it.

    >>> goal = Goal("fast", 80, at_most=False, read=lambda record: {})
    >>> verdict = held(goal, {"here": 95.0, "there": 81.0})
    >>> verdict.worst, verdict.where, verdict.met
    (81.0, 'there', True)
    >>> held(goal, {"here": 95.0, "there": None}).met is None
    True
    """
    known = {where: value for where, value in figures.items() if value is not None}
    if not known:
        return Verdict(goal, None, "", None)
    where = (max if goal.at_most else min)(known, key=known.__getitem__)
    kept = known[where] <= goal.limit if goal.at_most else known[where] >= goal.limit
    return Verdict(goal, known[where], where, None if kept and len(known) < len(figures) else kept)


def _ratios(group: Group, above: tuple[str, int], below: tuple[str, int]) -> Callable[[SpeedRecord], dict[str, float | None]]:
    """Reads wall time of ``above`` / ``below``, each (contender, findings), at every setting of a group."""

    def read(record: SpeedRecord) -> dict[str, float | None]:
        return {at(s): ratio(record.wall(group, s, *above), record.wall(group, s, *below)) for s in record.of(group)}

    return read


def _peaks(record: SpeedRecord) -> dict[str, float | None]:
    return {f"{at(peak.setting)}, {peak.setting.batch} images": peak.mib for peak in record.peaks if peak.contender == SCORE}


def ratio(above: float | None, below: float | None) -> float | None:
    """Their quotient where both were measured."""
    return above / below if above is not None and below else None


def at(setting: Setting) -> str:
    """The network and the size in words."""
    return f"{setting.backbone} at {setting.size}"


GOALS: Iterable[Goal] = (
    Goal("seven methods for 8 findings against the bare forward pass", 1.15, True, _ratios("methods", (SEVEN, USUAL), (FORWARD, 0))),
    Goal("grad-cam's six methods against our seven, 8 findings", 80, False, _ratios("methods", (PACKAGE_SIX, USUAL), (SEVEN, USUAL))),
    Goal("captum's Grad-CAM against ours, 8 findings", 8, False, _ratios("methods", (CAPTUM, USUAL), (ALONE, USUAL))),
    Goal("torchcam's Grad-CAM against ours, 8 findings", 8, False, _ratios("methods", (TORCHCAM, USUAL), (ALONE, USUAL))),
    Goal("seven methods for 14 findings against the same for one", 1.3, True, _ratios("methods", (SEVEN, MOST), (SEVEN, ONE))),
    Goal("grad-cam's Score-CAM against ours, 8 findings", 8, False, _ratios("scorecam", (PACKAGE_SCORE, USUAL), (SCORE, USUAL))),
    Goal("peak memory of Score-CAM above the bare model, 8 findings", 300, True, _peaks, " MiB"),
)
