"""Progress of all steps: running, waiting, done and failed, and the time left."""

import datetime
import sys
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from statistics import fmean

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from benchmark.suite.executors.base import Event, Executor, Step, run

TIMED = 100
"""Number of steps of a kind from which the time left is estimated."""
BAR = "{n_fmt} of {total_fmt} |{bar:20}| {elapsed}{postfix}"


def run_with_progress(steps: Sequence[Step], executor: Executor, echo: Callable[[str], None]) -> Iterator[Event]:
    """Run ``steps`` and yield their events: with a progress bar on a terminal, else with a line per event."""
    kinds = {step.id: step.kind for step in steps}
    state, terminal = StepCounts(Counter(kinds.values()), executor.jobs), sys.stderr.isatty()
    bar = tqdm(total=len(kinds), bar_format=BAR, leave=False, disable=not terminal)
    with closing(bar), logging_redirect_tqdm() if terminal else nullcontext():
        for event in run(steps, executor):
            state.take(event)
            line = f"  {event.kind}: {event.step.id}" + (f": {event.reason}" if event.reason else "")
            if not terminal:
                echo(f"{line} ({state})")
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
    seconds: defaultdict[str, deque[float]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=TIMED)))
    """train, explain or score -> times of the last steps that are done."""

    def take(self, event: Event) -> None:
        """Count an event."""
        name, now = event.step.id, time.perf_counter()
        if event.kind == "started":
            self.began[name] = now
            return
        took = now - self.began.pop(name, now)
        self.left[event.step.kind] -= 1
        self.ended[event.kind] += 1
        if event.kind == "done":
            self.seconds[event.step.kind].append(took)

    def __str__(self) -> str:
        """``1 running, 2 waiting, 3 done, about 0:01:00 left``."""
        waiting = self.left.total() - len(self.began)
        counts = {"running": len(self.began), "waiting": waiting, **dict(sorted(self.ended.items()))}
        left = "" if self.time_left is None else f", about {self.time_left} left"
        return ", ".join(f"{n} {kind}" for kind, n in counts.items()) + left

    @property
    def time_left(self) -> datetime.timedelta | None:
        """Estimated time left, from the mean time per kind of step; None until a step of each kind has ended.

        A step that took less than a tenth of the longest one had been done before and is ignored.
        """
        left = {kind: n for kind, n in self.left.items() if n}
        if not left or any(not self.seconds[kind] for kind in left):
            return None
        longest = {kind: max(self.seconds[kind]) for kind in left}
        means = {kind: fmean(s for s in self.seconds[kind] if s >= longest[kind] / 10) for kind in left}
        passed = sum(time.perf_counter() - began for began in self.began.values())
        seconds = sum(n * means[kind] for kind, n in left.items()) - passed
        return datetime.timedelta(seconds=round(max(seconds, 0) / self.jobs))
