"""Decode many images into the rows of one array file with several background processes.

Each process receives a few rows at a time and writes them into the array itself; only the bad rows are sent back. A row
is locked while it is decoded, so several runs that fill the same array share the work. If a native decoder crashes its
process, that file counts as bad and a new process continues with the next one.
"""

import contextlib
import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait

import numpy as np
from numpy.typing import NDArray

from core.errors import DataError
from core.user_code import ANYTHING
from datasets.io import limits
from datasets.io.decoding_worker import Bad, Job, Rows, Worker, start

log = logging.getLogger(__name__)
FEW = 200
"""Number of images per additional process."""
ROWS_PER_TASK = 16
"""Rows per task: few, so that all processes end together."""
TASKS_AHEAD = 2
"""Tasks per process at a time: the second waits in its pipe, so that the process does not wait for this one."""
EVERY = 60.0
"""Seconds between two progress lines in the log."""


class Decoding:
    """Processes that decode ``rows`` in the given order, and a thread that distributes the tasks.

    ``note`` is called in the thread with the bad rows of a task, before the task counts as done; an error in it stops
    the decoding. ``ended`` is called when all rows are done.
    """

    def __init__(
        self, job: Job, rows: NDArray[np.int64], workers: int | None, note: Callable[[Bad], None],
        ended: Callable[[], None],
    ) -> None:  # fmt: skip
        self.job, self.total, self.done, self._note, self._ended = job, len(rows), 0, note, ended
        self._waiting = np.zeros(len(job.samples), bool)
        self._waiting[rows] = True
        cuts = range(ROWS_PER_TASK, len(rows), ROWS_PER_TASK)
        self._tasks: deque[NDArray[np.int64]] = deque(np.split(rows, cuts))
        self._changed, self._stopped = threading.Condition(), False
        self._error: BaseException | None = None
        count = min(workers or limits.cpus(), max(len(rows) // FEW, 1))
        log.info("decoding %d images, processes: %d", len(rows), count)
        self._workers = [start(job) for _ in range(count)]
        self._thread = threading.Thread(target=self._run, name="decoding", daemon=True)
        self._thread.start()

    def wait(self, rows: NDArray[np.int64]) -> None:
        """Wait until those of ``rows`` that are decoded here are done. Raises the error that stopped the decoding."""
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None or not self._waiting[rows].any())
        if self._error is not None:
            raise self._error

    def finish(self, tick: Callable[[int], object]) -> None:
        """Wait until all rows are done; call ``tick`` with the number of rows done since the last call."""
        last_report = 0
        while last_report < self.total:
            with self._changed:
                self._changed.wait_for(lambda: self._error is not None or self.done > last_report)  # noqa: B023
                done = self.done
            if self._error is not None:
                raise self._error
            tick(done - last_report)
            last_report = done
        self._thread.join()

    def close(self) -> None:
        """Stop the processes; the remaining rows stay missing."""
        self._stopped = True
        for worker in list(self._workers):
            worker.process.kill()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._hand_out()
            if not self._stopped:
                self._ended()
        except ANYTHING as error:  # raised in the waiting thread
            self._fail(error)
        finally:
            for worker in self._workers:
                worker.process.kill()  # no effect on finished processes
                worker.process.join()
            if self._stopped:
                self._fail(DataError("decoding was stopped"))

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def _hand_out(self) -> None:
        """Distribute the tasks and collect the bad rows. A worker that dies is replaced."""
        given: defaultdict[Worker, list[Rows]] = defaultdict(list)
        last_report = time.monotonic()
        while (self._tasks or any(given.values())) and not self._stopped:
            for worker in self._workers * TASKS_AHEAD:
                if self._tasks and len(given[worker]) < TASKS_AHEAD:
                    given[worker].append(self._tasks.popleft().tolist())
                    with contextlib.suppress(BrokenPipeError):  # a dead worker is detected when its answer is read
                        worker.pipe.send(given[worker][-1])
            for worker in _ready([worker for worker, tasks in given.items() if tasks]):
                self._take(worker, given[worker])
            if time.monotonic() - last_report >= EVERY:
                last_report = time.monotonic()
                log.info("decoded %d of %d images", self.done, self.total)

    def _take(self, worker: Worker, tasks: list[Rows]) -> None:
        """Process the answer of ``worker`` to the first of its ``tasks``, or its death; remove these tasks."""
        try:
            bad: Bad = worker.pipe.recv()
        except (EOFError, ConnectionResetError):
            if self._stopped:
                return
            reason, row = worker.crash_reason(self.job), worker.row()
            bad = {row: reason} if reason else {}
            for task in reversed(tasks):
                self._tasks.appendleft(np.array([other for other in task if other not in bad], np.int64))
            tasks.clear()
            done = [*bad]
            self._note(bad)  # may raise, so do it before starting another process
            self._workers[self._workers.index(worker)] = start(self.job)
        else:
            self._note(bad)
            done = tasks.pop(0)
        with self._changed:
            self._waiting[done] = False
            self.done += len(done)
            self._changed.notify_all()


def _ready(workers: Sequence[Worker]) -> list[Worker]:
    """Return the workers that have an answer or have died, as soon as there is one."""
    pipes = wait([worker.pipe for worker in workers])
    return [worker for worker in workers if worker.pipe in pipes]
