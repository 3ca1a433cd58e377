"""Times that can be compared: everything in turn, round by round, and of each the minimum.

A disturbance (another process, a warmer processor) meets all contenders alike instead of the one that happens to run,
and the minimum is the round that was disturbed least. The first round also warms up.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tools.speed.record import On, Row

log = logging.getLogger(__name__)

SHORT = 0.01
"""Seconds. A shorter call is repeated, since one alone mostly waits for code and data to come back into caches."""


class Task(NamedTuple):
    """A contender and how much it is given."""

    contender: str
    amount: int
    """How many findings it explains, or how many thresholds it tries; 0 where that says nothing."""


@dataclass
class Times:
    """Seconds of each call so far."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Processor time of all threads."""

    def add(self, call: Callable[[], object]) -> None:
        """Time a call; what takes less than ``SHORT`` is called again until that has passed, and the mean counts."""
        wall, cpu, calls, passed = time.perf_counter(), time.process_time(), 0, 0.0
        while passed < SHORT:
            call()
            calls, passed = calls + 1, time.perf_counter() - wall
        self.wall.append(passed / calls)
        self.cpu.append((time.process_time() - cpu) / calls)


def until_done(call: Callable[[], object], device: str) -> Callable[[], object]:
    """The call until its ``device`` (``cpu`` or ``cuda``) has done all that it was told."""
    if device == "cpu":
        return call

    def whole() -> object:
        import torch

        made = call()
        torch.cuda.synchronize()
        return made

    return whole


def interleaved(
    calls: Mapping[Task, Callable[[], object]],
    rounds: int,
    budget: float = float("inf"),
    patience: float = float("inf"),
) -> dict[Task, Times]:
    """The times of ``calls``, in at most ``rounds`` rounds.

    A call has no further round once its rounds took ``budget`` seconds, and none at all where ``expected`` exceeds
    ``patience`` seconds: its list of times is empty then.
    """
    measured = {task: Times() for task in calls}
    for turn in range(rounds):
        for task, call in calls.items():
            times = measured[task]
            if 0 < sum(times.wall) < budget if turn else expected(task, measured) <= patience:
                times.add(call)
    return measured


def expected(task: Task, measured: Mapping[Task, Times]) -> float:
    """Seconds that a first call takes at most, judged by the same contender with a smaller amount; 0 without any.

    >>> expected(Task("loop", 8), {Task("loop", 2): Times(wall=[3.0, 2.5])})
    10.0
    """
    same = [(other.amount, times.wall) for other, times in measured.items() if other.contender == task.contender]
    known = [(amount, min(wall)) for amount, wall in same if wall and amount]
    return min((seconds * task.amount / amount for amount, seconds in known), default=0.0)


def row(group: str, on: On, contender: str, times: Times, per: int = 1, reason: str = "", **figures: float) -> Row:
    """The minimum of the rounds as a row, in milliseconds for each of the ``per`` images of a call."""
    if times.wall:
        wall, cpu = (round(1000 * min(seconds) / per, 5) for seconds in (times.wall, times.cpu))
        figures = {"wall_ms": wall, "cpu_ms": cpu, "rounds": len(times.wall), **figures}
    log.info("  %s %s: %s", contender, on, reason or figures)
    return Row(group=group, on=on, contender=contender, figures=figures, reason=reason)
