"""Steps, the interface of executors, and the order of steps.

Each step runs once, after the steps that it needs. A step that needs a failed one is cancelled.
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
    """A call of one function. Picklable, so that a process on any machine that shares the folders can run it."""

    id: str
    """Name in messages. Steps of the same name are one step."""
    kind: Literal["train", "explain", "score"]
    function: str
    """Dotted name. Its return value is ignored: results are files."""
    arguments: tuple[Any, ...] = ()
    needs: tuple[str, ...] = ()
    """Names of the steps that must finish first."""
    threads: int = 1
    """CPU threads that it uses."""

    def __call__(self) -> LocusError | None:
        """Run the step and return its error, in a class that every process can unpickle; None if it succeeded."""
        module, _, name = self.function.rpartition(".")
        try:
            getattr(importlib.import_module(module), name)(*self.arguments)
        except WriteError as error:
            return WriteError(str(error))
        except LocusError as error:
            return LocusError(str(error))
        except MemoryError:
            return LocusError(f"{self.id} ran out of memory: use fewer --jobs, or run it again")
        return None


class Executor(ABC):
    """Runs up to ``jobs`` steps at a time. Subclasses set ``name`` and implement how a step starts and is awaited.

    As a context manager it stops everything that it started.
    """

    name: ClassVar[str]
    minutes: float | None = None
    """Time limit of a step, after which it is stopped and fails; None: no limit."""

    def __init__(self, jobs: int) -> None:
        """``jobs`` is the number of steps at a time."""
        self.jobs = jobs

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    @abstractmethod
    def __exit__(self, *_: object) -> None:
        """Stop the running steps. They must be able to resume from their files."""

    def begin(self, folder: Path, steps: Sequence[Step]) -> None:  # noqa: B027 - processes of this machine need none
        """Prepare for the ``steps`` of one suite, whose training runs and maps are below ``folder``."""

    @abstractmethod
    def start(self, step: Step) -> None:
        """Start a step. The caller makes sure that fewer than ``jobs`` run."""

    @abstractmethod
    def wait(self) -> tuple[Step, LocusError | None]:
        """Block until a step ends; return it with its error, None if it succeeded.

        A process that died for any other reason counts as an error, too.
        """

    def left(self, begun: float) -> float | None:
        """Seconds until a step that began at ``begun`` (monotonic clock) reaches its time limit; None: no limit.

        Never below 0.
        """
        return None if self.minutes is None else max(0.0, begun + 60 * self.minutes - time.monotonic())

    def overdue(self, step: Step) -> LocusError:
        """The error of a step that was stopped at its time limit."""
        about = f"{step.id} took more than {self.minutes:g} minutes and was stopped"
        return LocusError(f"{about}: run it again, with a larger --step_minutes if it needs more time")


@contextlib.contextmanager
def sigterm_ends() -> Iterator[None]:
    """Make SIGTERM end the block as Ctrl-C would, so that steps on other machines are stopped."""
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
    """A change of a step's state."""

    kind: Literal["started", "done", "failed", "cancelled"]
    step: Step
    reason: str = ""
    """One sentence: the error of the step, or of the failed step that it needs."""


def run(steps: Sequence[Step], executor: Executor) -> Iterator[Event]:
    """Run ``steps`` in their order as soon as they are ready, and yield an event for each change.

    Raises ``WriteError`` as soon as a file cannot be written, because other steps would fail too, and ``ValueError`` if
    steps require each other or a step that is not in the list.
    """
    waiting, running = StepGraph(steps), 0
    while waiting.steps or running:
        while running < executor.jobs and (ready := waiting.pop_ready()):
            yield Event("started", ready)
            executor.start(ready)
            running += 1
        if not running:
            raise ValueError(f"these steps can never start: {', '.join(waiting.steps)}")
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
    """The steps that have not begun, and the steps that they wait for.

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
        """Steps of the same name are one step."""
        self.steps = {step.id: step for step in steps}
        self._number = {name: number for number, name in enumerate(self.steps)}
        self._needs = {name: set(step.needs) for name, step in self.steps.items()}
        self._needed_by: defaultdict[str, list[str]] = defaultdict(list)
        for name, needs in self._needs.items():
            for other in needs:
                self._needed_by[other].append(name)
        self._ready = [(number, name) for name, number in self._number.items() if not self._needs[name]]

    def pop_ready(self) -> Step | None:
        """Remove and return the first step that is ready; None if there is none."""
        return self.steps.pop(heapq.heappop(self._ready)[1]) if self._ready else None

    def mark_done(self, name: str) -> None:
        """Mark ``name`` as done for the steps that need it."""
        for other in self._needed_by[name]:
            self._needs[other].discard(name)
            if not self._needs[other]:
                heapq.heappush(self._ready, (self._number[other], other))

    def pop_dependents(self, name: str) -> Iterator[Step]:
        """Remove and yield the steps that depend on ``name``, directly or not.

        They cannot run after ``name`` has failed, and end as cancelled.
        """
        for other in self._needed_by[name]:
            if other in self.steps:
                yield self.steps.pop(other)
                yield from self.pop_dependents(other)
