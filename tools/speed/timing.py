"""Time several contenders in turn, round by round, and take the minimum of each.

Disturbances (other processes, a warmer CPU) then affect all contenders, and the minimum is the least disturbed round.
The first round also warms up caches.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tools.speed.record import On, Row

log = logging.getLogger(__name__)

SHORT = 0.01
"""Seconds below which a call is repeated, because a single short call mostly measures cache misses."""


class Task(NamedTuple):
    """A contender and its amount of work."""

    contender: str
    amount: int
    """Number of findings or thresholds; 0 if that does not apply."""


@dataclass
class Times:
    """Seconds of each timed call."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """CPU time of all threads."""

    def add(self, call: Callable[[], object]) -> None:
        """Time a call. It is repeated until ``SHORT`` seconds have passed, and the mean is added."""
        wall, cpu, calls, passed = time.perf_counter(), time.process_time(), 0, 0.0
        while passed < SHORT:
            call()
            calls, passed = calls + 1, time.perf_counter() - wall
        self.wall.append(passed / calls)
        self.cpu.append((time.process_time() - cpu) / calls)


def until_done(call: Callable[[], object], device: str) -> Callable[[], object]:
    """Return a call that waits until the ``device`` (``cpu`` or ``cuda``) has finished."""
    if device == "cpu":
        return call

    def synchronized() -> object:
        import torch

        result = call()
        torch.cuda.synchronize()
        return result

    return synchronized


def interleaved(
    calls: Mapping[Task, Callable[[], object]],
    rounds: int,
    budget: float = float("inf"),
    patience: float = float("inf"),
) -> dict[Task, Times]:
    """Time ``calls`` in at most ``rounds`` rounds.

    A call is not timed again after ``budget`` seconds, and not at all (empty times) if it is ``expected`` to take more
    than ``patience`` seconds.
    """
    measured = {task: Times() for task in calls}
    for turn in range(rounds):
        for task, call in calls.items():
            times = measured[task]
            if 0 < sum(times.wall) < budget if turn else expected(task, measured) <= patience:
                times.add(call)
    return measured


def expected(task: Task, measured: Mapping[Task, Times]) -> float:
    """Return an upper estimate of the seconds of a first call from other amounts of the same contender, else 0.

    >>> expected(Task("loop", 8), {Task("loop", 2): Times(wall=[3.0, 2.5])})
    10.0
    """
    same = [(other.amount, times.wall) for other, times in measured.items() if other.contender == task.contender]
    shortest = [(amount, min(wall)) for amount, wall in same if wall and amount]
    return min((seconds * task.amount / amount for amount, seconds in shortest), default=0.0)


def fastest(group: str, on: On, contender: str, rounds: Sequence[Mapping[str, float]]) -> Row:
    """Return a row with the figures of the round with the least ``wall_s``."""
    figures = min(rounds, key=lambda figures: figures["wall_s"])
    log.info("  %s %s: %s", contender, on, figures)
    return Row(group=group, on=on, contender=contender, figures={**figures, "rounds": len(rounds)})


def row(group: str, on: On, contender: str, times: Times, per: int = 1, reason: str = "", **figures: float) -> Row:
    """Return a row with the minimum over the rounds, in milliseconds per image; a call has ``per`` images."""
    if times.wall:
        wall, cpu = (round(1000 * min(seconds) / per, 5) for seconds in (times.wall, times.cpu))
        figures = {"wall_ms": wall, "cpu_ms": cpu, "rounds": len(times.wall), **figures}
    log.info("  %s %s: %s", contender, on, reason or figures)
    return Row(group=group, on=on, contender=contender, figures=figures, reason=reason)
