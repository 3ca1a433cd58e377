"""Steps on this machine: one after the other in this process, or in several beside it, which end with it."""

import contextlib
import io
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from typing import ClassVar, Self

from benchmark.executors.base import Executor, Step, sigterm_ends
from core.errors import LocusError, killed
from core.gc_control import gc_skipped_at_exit

log = logging.getLogger(__name__)
SPAWN = multiprocessing.get_context("spawn")
"""A fork of a process in which torch has run may hang."""
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Where libraries read, when they are loaded, how many threads they may use."""


class Local(Executor):
    """One job without a limit of time runs in this process; others have a process each, which take step after step.

    A process that dies, or takes too long and is ended, fails its step alone, and another takes its place.
    """

    name: ClassVar[str] = "local"

    def __init__(self, jobs: int, patience: float | None = None) -> None:
        """Processes start when they have something to do; one has ``patience`` seconds to stop, None: all it needs."""
        super().__init__(jobs)
        self.patience = patience
        self._ended: list[tuple[Step, LocusError | None]] = []
        self._processes: list[StepProcess] = []
        self._signals = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """SIGTERM ends processes as Ctrl-C does: trainings save, the others are made again next time."""
        if not self._here:
            self._signals.enter_context(sigterm_ends())
        return self

    @property
    def _here(self) -> bool:
        return self.jobs == 1 and self.minutes is None

    def __exit__(self, *_: object) -> None:
        """Stop the processes; a second Ctrl-C kills them at once."""
        try:
            for process in self._processes:
                process.stop()
            for process in self._processes:
                process.process.join(self.patience)
        finally:
            for process in self._processes:
                process.kill()
            self._signals.close()

    def start(self, step: Step) -> None:
        """Call it, or send it to a process with nothing to do and of as many threads."""
        if self._here:
            self._ended.append((step, step()))
            return
        idle = [process for process in self._processes if process.step is None]
        process = next((each for each in idle if each.threads == step.threads), None)
        if process is None:
            for other in idle:  # of other threads
                other.kill()
                self._processes.remove(other)
            process = StepProcess(step.threads)
            self._processes.append(process)
        process.give(step)

    def wait(self) -> tuple[Step, LocusError | None]:
        """The next step that ends."""
        if self._here:
            return self._ended.pop()
        busy = {process: process.step for process in self._processes if process.step is not None}
        oldest = min(busy, key=lambda each: each.begun)
        ends = {end: process for process in busy for end in (process.pipe, process.process.sentinel)}
        ended = wait(ends, self.left(oldest.begun))
        process = next((process for end, process in ends.items() if end in ended), oldest)
        if not ended:
            process.kill()
        step, error = busy[process], process.answer()
        if not process.process.is_alive():
            self._processes.remove(process)
        return step, error if ended else self.overdue(step)


class StepProcess:
    """A process at the other end of a pipe: steps go in, the errors that ended them come out."""

    def __init__(self, threads: int) -> None:
        """A new one of so many ``threads``, whose lines are logged here behind the name of its step."""
        self.pipe, theirs = SPAWN.Pipe()
        self._output, written = SPAWN.Pipe(duplex=False)
        self.process = SPAWN.Process(target=_serve, args=(theirs, written))
        with _inherited(threads):
            self.process.start()
        theirs.close()
        written.close()
        self.step: Step | None = None
        self.threads, self.begun, self._name = threads, 0.0, ""
        """``step`` is what it is at, ``begun`` when it was given that, on the monotonic clock."""
        self._logging = threading.Thread(target=self._log, daemon=True)
        self._logging.start()

    def give(self, step: Step) -> None:
        """Send it a step."""
        self.step, self._name, self.begun = step, step.id, time.monotonic()
        with contextlib.suppress(BrokenPipeError):  # it is dead: its silence will tell
            self.pipe.send(step)

    def answer(self) -> LocusError | None:
        """Why its step, which has ended, failed; None where it did not."""
        self.step = None
        with contextlib.suppress(EOFError, ConnectionResetError):
            if self.pipe.poll():
                error: LocusError | None = self.pipe.recv()
                return error
        return LocusError(self._death())

    def stop(self) -> None:
        """Ask it to end: what it is at as Ctrl-C ends it."""
        if self.step is None:
            self.pipe.close()
        elif self.process.pid is not None and self.process.is_alive():
            os.kill(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        """End it, and what it has started, at once."""
        if self.process.pid is not None and self.process.is_alive():
            with contextlib.suppress(ProcessLookupError):  # it has no group of its own yet
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()

    def _death(self) -> str:
        self.process.join()
        self._logging.join(timeout=1)  # a process that it has started may keep it
        code = self.process.exitcode or 0
        if code < 0:
            return f"{self._name} {killed(code, 'try fewer --jobs, or run it again')}"
        return f"{self._name} broke (status {code}): what it said stands above; run it again with --jobs 1 to see more"

    def _log(self) -> None:
        with os.fdopen(os.dup(self._output.fileno()), encoding="utf-8", errors="replace") as lines:
            for line in lines:
                log.info("%s: %s", self._name, line.rstrip())


@contextlib.contextmanager
def _inherited(threads: int) -> Iterator[None]:
    """What a process that starts inside inherits: so many ``threads``; a SIGINT waits until it can be handled."""
    before = {name: os.environ.pop(name) for name in POOLS if name in os.environ}
    signals = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        os.environ.update(dict.fromkeys(POOLS, str(threads)))
        yield
    finally:
        for name in POOLS:
            del os.environ[name]
        os.environ.update(before)
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)


def _serve(pipe: Connection, output: Connection) -> None:
    """In the process: make the steps that come, until nobody is at the other end any more."""
    gc_skipped_at_exit()
    os.setpgid(0, 0)  # Ctrl-C is the parent's, who tells it once
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    sys.stdout, sys.stderr = (io.TextIOWrapper(os.fdopen(n, "wb", 0), write_through=True) for n in (1, 2))
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    with contextlib.suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        while True:
            step: Step = pipe.recv()
            pipe.send(step())


def _end_with_parent() -> None:
    """However the parent ended, this process and what it has started end too."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os.killpg(0, signal.SIGKILL)
