"""Progress of all steps: running, waiting, done and failed, and the time left."""

import datetime
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from benchmark.suite.executors.base import Event, Executor, Step, run

BAR = "{n_fmt} of {total_fmt} |{bar:20}| {elapsed}{postfix}"


def run_with_progress(steps: Sequence[Step], executor: Executor, report: Callable[[str], None]) -> Iterator[Event]:
    """Run ``steps`` and yield their events: with a progress bar on a terminal, else with a line per event."""
    kinds = {step.id: step.kind for step in steps}
    state, terminal = StepCounts(Counter(kinds.values()), executor.jobs), sys.stderr.isatty()
    bar = tqdm(total=len(kinds), bar_format=BAR, leave=False, disable=not terminal)
    with closing(bar), logging_redirect_tqdm() if terminal else nullcontext():
        for event in run(steps, executor):
            state.take(event)
            line = f"  {event.kind}: {event.step.id}" + (f": {event.reason}" if event.reason else "")
            if not terminal:
                report(f"{line} ({state})")
            elif event.reason:
                bar.write(line)
            bar.n = state.ended.total()
            bar.set_postfix_str("; ".join([*state.began, str(state)]))
            yield event


@dataclass
class StepCounts:
    """Numbers of running, waiting and ended steps."""

    left: Counter[str]
    """train, explain or score -> number of steps that have not ended."""
    jobs: int
    began: dict[str, float] = field(default_factory=dict)
    """Name of a running step -> its start."""
    ended: Counter[str] = field(default_factory=Counter)
    """done, failed or cancelled -> number of steps."""
    timed: Counter[str] = field(default_factory=Counter)
    """train, explain or score -> number of timed steps, without those that had been done before."""
    timed_seconds: dict[str, float] = field(default_factory=dict)
    """train, explain or score -> total time of those steps."""
    longest: dict[str, float] = field(default_factory=dict)
    """train, explain or score -> time of the longest step."""

    def take(self, event: Event) -> None:
        """Count an event."""
        name, now = event.step.id, time.perf_counter()
        if event.kind == "started":
            self.began[name] = now
            return
        took, kind = now - self.began.pop(name, now), event.step.kind
        self.left[kind] -= 1
        self.ended[event.kind] += 1
        if event.kind == "done":
            self._measure(kind, took)

    def _measure(self, kind: str, took: float) -> None:
        """Time a step. A step that took less than a tenth of the longest one had been done before and is ignored."""
        longest = self.longest.get(kind, 0.0)
        if took > 10 * longest:
            self.timed[kind], self.timed_seconds[kind] = 0, 0.0
        if took >= longest / 10:
            self.timed[kind] += 1
            self.timed_seconds[kind] += took
        self.longest[kind] = max(took, longest)

    def __str__(self) -> str:
        """``1 running, 2 waiting, 3 done, about 0:01:00 left``."""
        waiting = self.left.total() - len(self.began)
        counts = {"running": len(self.began), "waiting": waiting, **dict(sorted(self.ended.items()))}
        left = "" if self.time_left is None else f", about {self.time_left} left"
        return ", ".join(f"{n} {kind}" for kind, n in counts.items()) + left

    @property
    def time_left(self) -> datetime.timedelta | None:
        """Estimated time left, from the mean time per kind of step; None until a step of each kind has ended."""
        if not self.left.total() or any(n and not self.timed[kind] for kind, n in self.left.items()):
            return None
        passed = sum(time.perf_counter() - began for began in self.began.values())
        seconds = sum(n * self.timed_seconds[kind] / self.timed[kind] for kind, n in self.left.items() if n) - passed
        return datetime.timedelta(seconds=round(max(seconds, 0) / self.jobs))
