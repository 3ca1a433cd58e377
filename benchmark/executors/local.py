"""Steps on this machine: one after the other in this process, or each in one of several processes."""

from contextlib import ExitStack
from multiprocessing.connection import wait
from typing import ClassVar, Self

from benchmark.executors.base import Executor, Step, sigterm_ends
from benchmark.executors.processes import StepProcess
from core.errors import LocusError


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
        self._signals = ExitStack()

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
        fitting = [process for process in idle if process.threads == step.threads]
        for process in idle if not fitting else []:
            process.kill()  # of other threads
            self._processes.remove(process)
        if not fitting:
            fitting = [StepProcess.started(step.threads)]
            self._processes += fitting
        fitting[0].give(step)

    def wait(self) -> tuple[Step, LocusError | None]:
        """The next step that ends."""
        if self._here:
            return self._ended.pop()
        busy = [process for process in self._processes if process.step is not None]
        oldest = min(busy, key=lambda each: each.begun)
        ends = [end for process in busy for end in (process.pipe, process.process.sentinel)]
        if not (ended := wait(ends, self.left(oldest.begun))):
            return self._end(oldest)
        process = next(each for each in busy if each.pipe in ended or each.process.sentinel in ended)
        step, error = process.answer()
        if not process.process.is_alive():
            self._processes.remove(process)
        return step, error

    def _end(self, process: StepProcess) -> tuple[Step, LocusError]:
        process.kill()
        self._processes.remove(process)
        step, _ = process.answer()
        return step, self.overdue(step)
