"""A process beside this one that makes steps: an interpreter of its own, which ends with its parent."""

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
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from benchmark.executors.base import Step
from core.collector import gc_skipped_at_exit
from core.errors import LocusError

log = logging.getLogger(__name__)
SPAWN = multiprocessing.get_context("spawn")
"""A fork of a process in which torch has run may hang."""
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Where libraries read, when they are loaded, how many threads they may use."""


@dataclass(eq=False)
class StepProcess:
    """A process at the other end of a pipe: steps go in, the errors that ended them come out."""

    process: BaseProcess
    pipe: Connection
    output: Connection
    """What it says, line by line."""
    threads: int
    step: Step | None = None
    """What it is at."""
    begun: float = 0.0
    """When it was given that, on the monotonic clock."""
    name: str = ""
    """Of its last step."""

    def __post_init__(self) -> None:
        self._logging = threading.Thread(target=self._log, daemon=True)
        self._logging.start()

    @classmethod
    def started(cls, threads: int) -> "StepProcess":
        """A new one, whose lines are logged here behind the name of its step."""
        pipe, theirs = SPAWN.Pipe()
        output, written = SPAWN.Pipe(duplex=False)
        process = SPAWN.Process(target=_serve, args=(theirs, written))
        with _inherited(threads):
            process.start()
        theirs.close()
        written.close()
        return cls(process, pipe, output, threads)

    def give(self, step: Step) -> None:
        """Send it a step."""
        self.step, self.name, self.begun = step, step.id, time.monotonic()
        with contextlib.suppress(BrokenPipeError):  # it is dead: its silence will tell
            self.pipe.send(step)

    def answer(self) -> tuple[Step, LocusError | None]:
        """The step that has ended, and why it failed."""
        if self.step is None:
            raise ValueError("the process was given no step")
        step, self.step = self.step, None
        try:
            return step, self.pipe.recv() if self.pipe.poll() else LocusError(self._death(step))
        except (EOFError, ConnectionResetError):
            return step, LocusError(self._death(step))

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

    def _death(self, step: Step) -> str:
        self.process.join()
        self._logging.join(timeout=1)  # a process that it has started may keep it
        code = self.process.exitcode or 0
        if code < 0:
            name = signal.Signals(-code).name
            return f"{step.id} was killed ({name}), perhaps for want of memory: try fewer --jobs, or run it again"
        return f"{step.id} broke (status {code}): what it said stands above; run it again with --jobs 1 to see more"

    def _log(self) -> None:
        with os.fdopen(os.dup(self.output.fileno()), encoding="utf-8", errors="replace") as lines:
            for line in lines:
                log.info("%s: %s", self.name, line.rstrip())


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
