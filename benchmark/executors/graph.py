"""The order of steps: each once, when all that it needs is done; what needs a failed one is cancelled."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmark.executors.base import Executor, Step
from core.errors import WriteError


@dataclass(frozen=True)
class Event:
    """What happened to a step."""

    kind: Literal["started", "done", "failed", "cancelled"]
    step: Step
    reason: str = ""
    """One sentence: why it failed, or why what it needs did."""


def run(steps: Sequence[Step], executor: Executor) -> Iterator[Event]:
    """Run ``steps``, the first of those that are ready first, and say what happens as it happens.

    Raises ``WriteError`` as soon as the disk refuses, for no other step would fare better, and ``ValueError`` where
    steps need each other or one that is not among them.
    """
    waiting, running = StepGraph(steps), 0
    while waiting.steps or running:
        while running < executor.jobs and (ready := waiting.pop_ready()):
            yield Event("started", ready)
            executor.start(ready)
            running += 1
        if not running:
            raise ValueError(f"steps that need others than those given: {', '.join(waiting.steps)}")
        step, error = executor.wait()
        running -= 1
        if isinstance(error, WriteError):
            raise error
        if error is None:
            waiting.mark_done(step.id)
            yield Event("done", step)
        else:
            yield Event("failed", step, str(error))
            yield from (Event("cancelled", other, str(error)) for other in waiting.pop_dependents(step.id))


class StepGraph:
    """The steps that have not begun, and what each one still waits for; thousands cost no more each than a few.

    >>> first = Step("a", "train", "builtins.print", (), (), 1)
    >>> then = Step("b", "train", "builtins.print", (), ("a",), 1)
    >>> graph = StepGraph([then, first])
    >>> graph.pop_ready().id, graph.pop_ready()
    ('a', None)
    >>> graph.mark_done("a")
    >>> graph.pop_ready().id
    'b'
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        """Steps of one name are one."""
        self.steps = {step.id: step for step in steps}
        self._number = {name: number for number, name in enumerate(self.steps)}
        self._needs = {name: set(step.needs) for name, step in self.steps.items()}
        self._needed_by: dict[str, list[str]] = {}
        for name, needs in self._needs.items():
            for other in needs:
                self._needed_by.setdefault(other, []).append(name)
        self._ready = [(number, name) for name, number in self._number.items() if not self._needs[name]]

    def pop_ready(self) -> Step | None:
        """The first listed of those that wait for nothing, which does not wait any more; None where there is none."""
        return self.steps.pop(heapq.heappop(self._ready)[1]) if self._ready else None

    def mark_done(self, name: str) -> None:
        """The steps that need ``name`` wait for it no more."""
        for other in self._needed_by.get(name, ()):
            self._needs[other].discard(name)
            if not self._needs[other]:
                heapq.heappush(self._ready, (self._number[other], other))

    def pop_dependents(self, name: str) -> Iterator[Step]:
        """Take out and give the steps that need ``name``, or one that needs it, and so on.

        What cannot run any more once ``name`` has failed; they end as cancelled.
        """
        for other in self._needed_by.get(name, ()):
            if other in self.steps:
                yield self.steps.pop(other)
                yield from self.pop_dependents(other)
