"""A promise, and its verdict by what was measured: the worst figure counts."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic

from tools.speed.record import R


@dataclass(frozen=True)
class Goal(Generic[R]):
    """A promise and how it is read from a record."""

    text: str
    limit: float
    at_most: bool
    """Whether the figure may not exceed the limit, or must reach it."""
    read: Callable[[R], dict[str, float | None]]
    """Where -> the figure there; None where it was not measured."""
    unit: str = "×"


@dataclass(frozen=True)
class GoalVerdict:
    """What a record says of a goal."""

    goal: Goal[Any]
    worst: float | None
    where: str
    met: bool | None
    """None where nothing, or not everything, was measured and what was measured keeps the promise."""


def judge(goal: Goal[Any], figures: dict[str, float | None]) -> GoalVerdict:
    """The worst of the ``figures`` decides; one that is missing can't keep a promise, but one that fails breaks it.

    >>> goal = Goal("fast", 80, at_most=False, read=lambda record: {})
    >>> verdict = judge(goal, {"here": 95.0, "there": 81.0})
    >>> verdict.worst, verdict.where, verdict.met
    (81.0, 'there', True)
    >>> judge(goal, {"here": 95.0, "there": None}).met is None
    True
    """
    known = {where: value for where, value in figures.items() if value is not None}
    if not known:
        return GoalVerdict(goal, None, "", None)
    where = (max if goal.at_most else min)(known, key=known.__getitem__)
    kept = known[where] <= goal.limit if goal.at_most else known[where] >= goal.limit
    return GoalVerdict(goal, known[where], where, None if kept and len(known) < len(figures) else kept)


def verdicts(goals: Iterable[Goal[R]], record: R) -> list[GoalVerdict]:
    """The verdict on every goal, in order."""
    return [judge(goal, goal.read(record)) for goal in goals]


def ratio(above: float | None, below: float | None) -> float | None:
    """Their quotient where both were measured."""
    return above / below if above is not None and below else None
