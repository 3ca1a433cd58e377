"""Steps on this machine: one after another in this process, or in several child processes that end with it."""

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
from multiprocessing import connection
from typing import Any, ClassVar, Self

from locus.benchmark.executors.base import SAVE_MEMORY, Executor, Step, exit_on_sigterm
from locus.core.errors import LocusError, killed
from locus.core.startup import checkout_importable

log = logging.getLogger(__name__)
SPAWN = multiprocessing.get_context("spawn")
"""Not fork: a fork of a process that has used torch may hang."""
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
"""Environment variables from which libraries read their number of threads when they are loaded."""


class Local(Executor):
    """Runs steps in this process if there is one job and no time limit, else in child processes.

    If a process dies or exceeds the limit, only its step fails, and a new process replaces it.
    """

    name: ClassVar[str] = "local"

    def __init__(self, jobs: int) -> None:
        """Processes start when needed."""
        super().__init__(jobs)
        self._ended: list[tuple[Step, LocusError | None]] = []
        self._workers: list[StepProcess] = []
        self._signals = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Make SIGTERM stop all steps as Ctrl-C would: training runs are saved, other steps start again next time."""
        self._signals.enter_context(exit_on_sigterm())
        return self

    @property
    def _runs_steps_itself(self) -> bool:
        """Whether steps run in this process."""
        return self.jobs == 1 and self.minutes is None

    def __exit__(self, *_: object) -> None:
        """Stop the processes. A second Ctrl-C kills them at once."""
        try:
            for worker in self._workers:
                worker.stop()
            for worker in self._workers:
                worker.process.join()
        finally:
            for worker in self._workers:
                worker.kill()
            self._signals.__exit__(*sys.exc_info())

    def start(self, step: Step) -> None:
        """Call the step, or send it to an idle process with the same number of threads."""
        if self._runs_steps_itself:
            self._ended.append((step, step()))
            return
        idle = [worker for worker in self._workers if worker.step is None]
        for worker in idle:
            if worker.threads == step.threads:
                worker.give(step)
                return
        for worker in idle:  # with another number of threads
            worker.kill()
            self._workers.remove(worker)
        new_worker = StepProcess(step.threads)
        self._workers.append(new_worker)
        new_worker.give(step)

    def wait(self) -> tuple[Step, LocusError | None]:
        """Block until a step ends; return it with its error, None if it succeeded."""
        if self._runs_steps_itself:
            return self._ended.pop()
        step_of = {worker: worker.step for worker in self._workers if worker.step is not None}
        worker_of: dict[Any, StepProcess] = {}  # pipe or sentinel -> its worker
        for worker in step_of:
            worker_of[worker.pipe] = worker
            worker_of[worker.process.sentinel] = worker
        oldest = min(step_of, key=lambda worker: worker.begun)
        ready = connection.wait(worker_of, timeout=self.left(oldest.begun))
        if not ready:  # the oldest step has reached its time limit
            oldest.kill()
            self._workers.remove(oldest)
            step = step_of[oldest]
            return step, self.overdue(step)
        finished = next(worker for end, worker in worker_of.items() if end in ready)
        error = finished.answer()
        if not finished.process.is_alive():
            self._workers.remove(finished)
        return step_of[finished], error


class StepProcess:
    """A child process that receives steps through a pipe and sends back their errors."""

    def __init__(self, threads: int) -> None:
        """Start a process with ``threads`` threads; its output is logged here after the name of its step."""
        self.pipe, child_end = SPAWN.Pipe()
        self._output, child_output = SPAWN.Pipe(duplex=False)
        self.process = SPAWN.Process(target=_serve, args=(child_end, child_output))
        with _child_environment(threads), checkout_importable():
            self.process.start()
        child_end.close()
        child_output.close()
        self.step: Step | None = None
        """The running step."""
        self.threads = threads
        self.begun = 0.0
        """Start of the step on the monotonic clock."""
        self._name = ""
        """Name of the last step, for the log."""
        self._logging = threading.Thread(target=self._log, daemon=True)
        self._logging.start()

    def give(self, step: Step) -> None:
        """Send a step to the process."""
        self.step = step
        self._name = step.id
        self.begun = time.monotonic()
        with contextlib.suppress(BrokenPipeError):  # the process is dead, which ``wait`` notices
            self.pipe.send(step)

    def answer(self) -> LocusError | None:
        """Return the error of the step that has just ended; None if it succeeded."""
        self.step = None
        with contextlib.suppress(EOFError, ConnectionResetError):
            if self.pipe.poll():
                error: LocusError | None = self.pipe.recv()
                return error
        return LocusError(self._death())

    def stop(self) -> None:
        """Ask the process to end; a running step stops as with Ctrl-C."""
        if self.step is None:
            self.pipe.close()
        elif self.process.pid is not None and self.process.is_alive():
            os.kill(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        """Kill the process, with its children if it is still running, at once."""
        if self.process.pid is not None and self.process.is_alive():
            with contextlib.suppress(
                ProcessLookupError
            ):  # it has not created its process group yet
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()

    def _death(self) -> str:
        """Return the reason why the process ended before its step did."""
        self.process.join()
        self._logging.join(timeout=1)  # one of its children may keep the pipe open
        code = self.process.exitcode or 0
        if code < 0:
            return f"{self._name} {killed(code, SAVE_MEMORY)}"
        return f"{self._name} failed with status {code}: see its output above, or run it again with --jobs 1"

    def _log(self) -> None:
        """Log the lines that the process prints, each after the name of its step."""
        with os.fdopen(os.dup(self._output.fileno()), encoding="utf-8", errors="replace") as lines:
            for line in lines:
                log.info("%s: %s", self._name, line.rstrip())


@contextlib.contextmanager
def _child_environment(threads: int) -> Iterator[None]:
    """Set the environment for a new process: ``threads`` threads, and SIGINT blocked until the process handles it."""
    before = {name: os.environ.pop(name) for name in THREAD_VARIABLES if name in os.environ}
    signals = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
        yield
    finally:
        for name in THREAD_VARIABLES:
            del os.environ[name]
        os.environ.update(before)
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)


def _serve(pipe: connection.Connection, output: connection.Connection) -> None:
    """Run the steps that arrive, in the child process, until the parent closes the pipe."""
    os.setpgid(0, 0)  # only the parent receives Ctrl-C, and passes it on once
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(os.fdopen(n, "wb", 0), write_through=True) for n in (1, 2)
    )
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    with contextlib.suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        signal.signal(
            signal.SIGINT, signal.default_int_handler
        )  # background jobs of a shell ignore SIGINT
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        while True:
            step: Step = pipe.recv()
            pipe.send(step())


def _end_with_parent() -> None:
    """End this process and its children when the parent has ended, whatever the reason."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.killpg(0, signal.SIGKILL)
