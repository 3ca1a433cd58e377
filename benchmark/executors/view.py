"""One view of all steps: what runs, waits, is done and failed, and how long the rest will last."""

import datetime
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from benchmark.executors.base import Event, Executor, Step, run

BAR = "{n_fmt} of {total_fmt} |{bar:20}| {elapsed}{postfix}"


def run_with_progress(steps: Sequence[Step], executor: Executor, report: Callable[[str], None]) -> Iterator[Event]:
    """Run ``steps`` and pass on what happens: on a terminal under a bar, elsewhere with a line for each event."""
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
    """How many steps run, wait and have ended."""

    left: Counter[str]
    """train, explain or score -> how many have not ended."""
    jobs: int
    began: dict[str, float] = field(default_factory=dict)
    """Name of a step that runs -> when it began."""
    ended: Counter[str] = field(default_factory=Counter)
    """done, failed or cancelled -> how many."""
    timed: Counter[str] = field(default_factory=Counter)
    """train, explain or score -> how many are done and were not found done."""
    timed_seconds: dict[str, float] = field(default_factory=dict)
    """train, explain or score -> how long those took together."""
    longest: dict[str, float] = field(default_factory=dict)
    """train, explain or score -> how long the longest of those took."""

    def take(self, event: Event) -> None:
        """Count what happened to a step."""
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
        """Steps that took less than a tenth of the longest were found done: they have no say in the time left."""
        longest = self.longest.get(kind, 0.0)
        if took > 10 * longest:
            self.timed[kind], self.timed_seconds[kind] = 0, 0.0
        if took >= longest / 10:
            self.timed[kind] += 1
            self.timed_seconds[kind] += took
        self.longest[kind] = max(took, longest)

    def __str__(self) -> str:
        """``1 run, 2 wait, 3 done, about 0:01:00 left``."""
        waiting = self.left.total() - len(self.began)
        counts = [f"{len(self.began)} run, {waiting} wait", *(f"{n} {kind}" for kind, n in sorted(self.ended.items()))]
        return ", ".join([*counts, *([] if self.time_left is None else [f"about {self.time_left} left"])])

    @property
    def time_left(self) -> datetime.timedelta | None:
        """How long the others will last, by the mean of their kind; None while a kind was never seen to its end."""
        if not self.left.total() or any(n and not self.timed[kind] for kind, n in self.left.items()):
            return None
        passed = sum(time.perf_counter() - began for began in self.began.values())
        seconds = sum(n * self.timed_seconds[kind] / self.timed[kind] for kind, n in self.left.items() if n) - passed
        return datetime.timedelta(seconds=round(max(seconds, 0) / self.jobs))
