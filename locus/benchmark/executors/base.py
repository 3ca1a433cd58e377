"""What all executors share: steps, the interface ``Executor``, the order of steps, and the display of their progress.

Each step runs once, after the steps that it needs. A step that needs a failed one is cancelled. ``run`` orders the
steps; ``run_with_progress`` also shows how many are running, waiting, done and failed. What the
steps of a suite are is in ``locus.benchmark.suite.run``; how a step starts, in the other files of this folder.
"""

import contextlib
import heapq
import signal
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any, Literal, Self

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from locus.core.errors import LocusError, Terminated, WriteError

SAVE_MEMORY = "use a smaller --jobs or --memory_gib, and run the command again"
BAR = "{n_fmt} of {total_fmt} |{bar:20}| {elapsed}<{remaining}{postfix}"


@dataclass(frozen=True, kw_only=True)
class Step:
    """A call of one function. Picklable, so that a process on any machine that shares the folders can run it."""

    id: str
    """Name in messages. Steps with the same name are run once."""
    kind: Literal["train", "explain", "score"]
    function: Callable[..., object]
    """Function of a module, such as those of ``locus.benchmark.suite.work``. Its return value is ignored: results are
    files."""
    arguments: tuple[Any, ...] = ()
    needs: tuple[str, ...] = ()
    """Names of the steps that must finish first."""
    threads: int = 1
    """CPU threads that it uses."""

    def __call__(self) -> LocusError | None:
        """Run the step. Return None, or its error as a class that every process can unpickle."""
        try:
            self.function(*self.arguments)
        except WriteError as error:
            return WriteError(str(error))
        except LocusError as error:
            return LocusError(str(error))
        except MemoryError:
            return LocusError(f"{self.id} ran out of memory: {SAVE_MEMORY}")
        return None


class Executor(ABC):
    """Runs up to ``jobs`` steps at a time. Subclasses implement how a step starts and is awaited.

    Used as a context manager, it stops all running steps on exit.
    """

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

    def begin(self) -> None:  # noqa: B027 - local processes need no preparation
        """Prepare for the steps of a suite."""

    @abstractmethod
    def start(self, step: Step) -> None:
        """Start a step. The caller makes sure that fewer than ``jobs`` run."""

    @abstractmethod
    def wait(self) -> tuple[Step, LocusError | None]:
        """Block until a step ends; return it with its error, None if it succeeded.

        A process that dies without reporting an error also counts as a failed step.
        """

    def left(self, begun: float) -> float | None:
        """Seconds until a step that began at ``begun`` (monotonic clock) reaches its time limit; None: no limit.

        Never below 0.
        """
        return (
            None if self.minutes is None else max(0.0, begun + 60 * self.minutes - time.monotonic())
        )

    def overdue(self, step: Step) -> LocusError:
        """The error of a step that was stopped at its time limit."""
        problem = f"{step.id} took more than {self.minutes:g} minutes and was stopped"
        return LocusError(
            f"{problem}: run it again, with a larger --step_minutes if it needs more time"
        )


def _terminate(*_: object) -> None:
    raise Terminated


@contextlib.contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Make SIGTERM end the block as Ctrl-C would, so that running steps are stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except Terminated:
        sys.exit(128 + signal.SIGTERM)
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
    """Start each step once the steps that it needs are done, earlier ones first; yield an event for each change.

    A step that needs a failed one is cancelled.

    Args:
        steps: the steps; those with the same name are run once.
        executor: starts and awaits them.

    Raises:
        WriteError: a file cannot be written; other steps would fail too.
        ValueError: steps require each other.
    """
    by_name = {step.id: step for step in steps}
    graph = TopologicalSorter({name: step.needs for name, step in by_name.items()})
    graph.prepare()
    numbers = {name: number for number, name in enumerate(by_name)}
    ready: list[tuple[int, str]] = []
    reasons: dict[str, str] = {}  # of the steps that failed or were cancelled
    running = 0
    while graph.is_active():
        for name in graph.get_ready():
            heapq.heappush(ready, (numbers[name], name))
        if ready and running < executor.jobs:
            step = by_name[heapq.heappop(ready)[1]]
            failed = [name for name in step.needs if name in reasons]
            if not failed:
                yield Event("started", step)
                executor.start(step)
                running += 1
                continue
            event = Event("cancelled", step, reasons[failed[0]])
        else:
            step, error = executor.wait()
            running -= 1
            if isinstance(error, WriteError):
                raise error
            event = Event("done", step) if error is None else Event("failed", step, str(error))
        if event.kind != "done":
            reasons[step.id] = event.reason
        graph.done(step.id)
        yield event


def run_with_progress(
    steps: Sequence[Step], executor: Executor, echo: Callable[[str], None]
) -> Iterator[Event]:
    """Run ``steps`` and yield their events: with a progress bar on a terminal, else with a line per event."""
    total = len({step.id for step in steps})
    is_terminal = sys.stderr.isatty()
    running: list[str] = []
    ended: Counter[str] = Counter()
    bar = tqdm(total=total, bar_format=BAR, leave=False, disable=not is_terminal)
    with closing(bar), logging_redirect_tqdm() if is_terminal else nullcontext():
        for event in run(steps, executor):
            if event.kind == "started":
                running.append(event.step.id)
            else:
                running = [name for name in running if name != event.step.id]
                ended[event.kind] += 1
            counts = {
                "running": len(running),
                "waiting": total - len(running) - ended.total(),
                **ended,
            }
            state = ", ".join(f"{count} {kind}" for kind, count in counts.items())
            line = f"  {event.kind}: {event.step.id}"
            if event.reason:
                line += f": {event.reason}"
            if not is_terminal:
                echo(f"{line} ({state})")
            elif event.reason:
                bar.write(line)
            bar.n = ended.total()
            bar.set_postfix_str("; ".join([*running, state]))
            yield event
