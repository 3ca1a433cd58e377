"""A step, and what an executor does with one: start it, and wait for the next that ends."""

import contextlib
import importlib
import signal
import sys
import threading
import time
from abc import ABC, abstractmethod
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
