"""A step, what an executor does with one, and the order of steps.

Each runs once, when all that it needs is done; what needs a failed one is cancelled.
"""

import contextlib
import heapq
import importlib
import signal
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from core.errors import LocusError, WriteError


@dataclass(frozen=True)
class Step:
    """A call of one function; picklable, so that any process of any machine that sees the folders can make it."""

    id: str
    """Its name in messages. Steps of one name are one step."""
    kind: Literal["train", "explain", "score"]
    function: str
    """Dotted name; what it returns is not kept: results lie on disk."""
    arguments: tuple[Any, ...] = ()
    needs: tuple[str, ...] = ()
    """Names of the steps that must be done before."""
    threads: int = 1
    """CPU threads that it computes with."""

    def __call__(self) -> LocusError | None:
        """Make the call; the error that ended it, as an exception that any process can read."""
        module, _, name = self.function.rpartition(".")
        try:
            getattr(importlib.import_module(module), name)(*self.arguments)
        except WriteError as error:
            return WriteError(str(error))
        except LocusError as error:
            return LocusError(str(error))
        except MemoryError:
            return LocusError(f"{self.id} found no memory: try fewer --jobs, or run it again")
        return None


class Executor(ABC):
    """Runs up to ``jobs`` steps at a time. A subclass sets ``name`` and says how one is started and awaited.

    As a context it leaves nothing running behind it, however the block ends.
    """

    name: ClassVar[str]
    minutes: float | None = None
    """How long a step may take before it is ended and fails; None: as long as it needs."""

    def __init__(self, jobs: int) -> None:
        """``jobs``: how many steps at a time."""
        self.jobs = jobs

    def __enter__(self) -> Self:
        """Itself."""
        return self

    @abstractmethod
    def __exit__(self, *_: object) -> None:
        """Stop what still runs: it must be able to go on from what lies on disk."""

    def begin(self, folder: Path, steps: Sequence[Step]) -> None:  # noqa: B027 - processes of this machine need none
        """What follows are ``steps`` of one suite, whose trainings and maps lie below ``folder``."""

    @abstractmethod
    def start(self, step: Step) -> None:
        """Begin a step; fewer than ``jobs`` run."""

    @abstractmethod
    def wait(self) -> tuple[Step, LocusError | None]:
        """The next step that ends, and the error that ended it; a process that died of something else is one too.

        None in the error's place where it ended well. Blocks until one ends.
        """

    def left(self, begun: float) -> float | None:
        """Seconds that a step has left which began at ``begun`` of the monotonic clock; None: all that it needs.

        Never below 0.
        """
        return None if self.minutes is None else max(0.0, begun + 60 * self.minutes - time.monotonic())

    def overdue(self, step: Step) -> LocusError:
        """Why a step failed that was ended after its ``minutes``."""
        about = f"{step.id} took more than {self.minutes:g} minutes and was ended"
        return LocusError(f"{about}: run it again, with a larger --step_minutes if it only needs longer")


@contextlib.contextmanager
def sigterm_ends() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does: what was started elsewhere is told to stop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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
        self._needed_by: defaultdict[str, list[str]] = defaultdict(list)
        for name, needs in self._needs.items():
            for other in needs:
                self._needed_by[other].append(name)
        self._ready = [(number, name) for name, number in self._number.items() if not self._needs[name]]

    def pop_ready(self) -> Step | None:
        """The first listed of those that wait for nothing, which does not wait any more; None where there is none."""
        return self.steps.pop(heapq.heappop(self._ready)[1]) if self._ready else None

    def mark_done(self, name: str) -> None:
        """The steps that need ``name`` wait for it no more."""
        for other in self._needed_by[name]:
            self._needs[other].discard(name)
            if not self._needs[other]:
                heapq.heappush(self._ready, (self._number[other], other))

    def pop_dependents(self, name: str) -> Iterator[Step]:
        """Take out and give the steps that need ``name``, or one that needs it, and so on.

        What cannot run any more once ``name`` has failed; they end as cancelled.
        """
        for other in self._needed_by[name]:
            if other in self.steps:
                yield self.steps.pop(other)
                yield from self.pop_dependents(other)
