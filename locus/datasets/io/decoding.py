"""Decode many images into the rows of one array file with several background processes.

``Decoding`` starts the processes and distributes the rows, a few at a time; ``Job`` and ``Worker`` are what it shares
with them. A process writes into the array itself, and only the bad rows are sent back. A row is locked while it is
decoded, so several runs that fill the same array share the work. If a native decoder crashes its process, that file
counts as bad and a new process continues with the next one.

The array file and its keys are managed by ``locus.datasets.io.cache``; one image is decoded by ``images`` or ``dicom``.
"""

import contextlib
import fcntl
import logging
import mmap
import multiprocessing
import os
import signal
import threading
import time
import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from locus.core import limits
from locus.core.errors import DataError, killed
from locus.core.frames import resize_image
from locus.core.types import Sample
from locus.core.user_code import ANYTHING

log = logging.getLogger(__name__)
FEW = 200
"""Number of images per additional process."""
ROWS_PER_TASK = 16
"""Rows per task: few, so that all processes end together."""
TASKS_AHEAD = 2
"""Tasks per process at a time: the second waits in its pipe, so that the process does not wait for this one."""
EVERY = 60.0
"""Seconds between two progress lines in the log."""

CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
"""Signals of a crash caused by the process itself."""
MISSING, BAD = 0, 2**32 - 1
"""States of a row; every other state is the checksum of a decoded one."""


def checksum(row: NDArray[np.uint8]) -> int:
    """Return the state of a decoded row."""
    return min(max(zlib.crc32(np.ascontiguousarray(row).data), 1), BAD - 1)


Bad = dict[int, str]
"""Row -> why its image could not be decoded."""
Rows = list[int]


@dataclass(frozen=True)
class Job:
    """Images to decode and files to write."""

    samples: Sequence[Sample]
    size: int
    path: Path
    """Array file (N, size, size) uint8."""
    states: Path
    """File of N uint32, the state of each row."""

    def named(self, row: int) -> str:
        """Return the path of a row's image, or its ID if there is no file."""
        return self.samples[row].source or self.samples[row].image_id


@dataclass(frozen=True, eq=False)
class Worker:
    """Process that receives lists of rows through a pipe and returns the bad rows."""

    process: multiprocessing.process.BaseProcess
    pipe: Connection
    current_row: mmap.mmap
    """Shared memory of 8 bytes: the row that is being decoded."""

    def row(self) -> int:
        """Return the row that is being decoded."""
        return int.from_bytes(self.current_row[:], "little")

    def crash_reason(self, job: Job) -> str | None:
        """Describe the image that crashed the process; None if the process was terminated (SIGTERM).

        Raises ``DataError`` if it died for another reason.
        """
        self.process.join()
        self.pipe.close()
        where, code = job.named(self.row()), self.process.exitcode or 0
        if not job.path.is_file():
            raise DataError(f"{job.path} was removed while images were decoded: run the command again")
        if -code == signal.SIGTERM:
            return None
        if -code in CRASHES:
            return f"cannot decode {where}: its decoder crashed ({signal.Signals(-code).name})"
        ended = f"ended with status {code}: run the command again"
        what = killed(code, "use a smaller --num_workers") if code < 0 else ended
        raise DataError(f"the process that was decoding {where} {what}")


def start(job: Job) -> Worker:
    """Start a forked process, so that samples need no pickling."""
    context = multiprocessing.get_context("fork")
    pipe, child_pipe = context.Pipe()
    current_row = mmap.mmap(-1, 8)
    process = context.Process(target=_work, args=(job, child_pipe, pipe, current_row, os.getpid()), daemon=True)
    process.start()
    child_pipe.close()
    return Worker(process, pipe, current_row)


def _work(job: Job, pipe: Connection, parents: Connection, current_row: mmap.mmap, parent: int) -> None:
    """Decode the tasks that arrive through ``pipe`` until its other end is closed."""
    parents.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # undo the handler of a training run
    cv2.setNumThreads(0)  # OpenCV's threads do not survive a fork
    try:
        array, states = np.lib.format.open_memmap(job.path, mode="r+"), job.states.open("r+b")
    except OSError:
        os._exit(1)  # the cache was removed; the parent process reports that this one ended
    with states as file, contextlib.suppress(BrokenPipeError):
        for rows in _tasks(pipe):
            pipe.send(_decode(job, rows, array, file, current_row, parent))


def _tasks(pipe: Connection) -> Iterator[Rows]:
    """Yield tasks until the pipe is closed."""
    with contextlib.suppress(EOFError):
        while True:
            yield pipe.recv()


def _decode(
    job: Job, rows: Rows, array: NDArray[np.uint8], file: BinaryIO, current_row: mmap.mmap, parent: int
) -> Bad:  # fmt: skip
    """Decode those of ``rows`` that are still missing."""
    bad: Bad = {}
    for row in rows:
        if os.getppid() != parent:
            os._exit(1)  # the parent process ended
        current_row[:] = row.to_bytes(8, "little")
        with _locked(file, row):
            if os.pread(file.fileno(), 4, 4 * row) != bytes(4):
                continue  # decoded by another run
            try:
                array[row] = resize_image(job.samples[row].image, (job.size, job.size))
                os.pwrite(file.fileno(), np.uint32(checksum(array[row])).tobytes(), 4 * row)
            except DataError as error:
                bad[row] = str(error)
            except MemoryError:
                bad[row] = f"cannot decode {job.named(row)}: out of memory"
    return bad


@contextlib.contextmanager
def _locked(file: BinaryIO, row: int) -> Iterator[None]:
    """Lock a row; the lock is released when this process dies. Some file systems have no locks."""
    with contextlib.suppress(OSError):
        fcntl.lockf(file, fcntl.LOCK_EX, 1, row)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.lockf(file, fcntl.LOCK_UN, 1, row)


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
