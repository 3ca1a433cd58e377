"""Decoding many images into the rows of one array file, by several processes in the background.

Each process is given a few rows at a time and writes them into the array itself; only what could not be decoded is sent
back. A row is locked while it is decoded, so that several runs that fill one array share the work. A decoder in native
code can kill its process: that file counts as bad, and a new process continues without it.
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
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import DataError, killed
from core.frames import resize_image
from core.types import Sample
from datasets.io import limits

log = logging.getLogger(__name__)
FEW = 200
"""Images that are worth a process more."""
ROWS_PER_TASK = 16
"""Rows that a process is given at a time: few, so that all processes end together."""
EVERY = 60.0
"""Seconds between two lines of the log that say how far the decoding is."""
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
"""Signals by which a process dies of what it does itself."""
MISSING, DECODED, BAD = 0, 1, 2
"""States of a row."""
Bad = dict[int, str]
"""Row -> why its image could not be decoded."""
Rows = list[int]


@dataclass(frozen=True)
class Job:
    """What there is to decode, and where it goes."""

    samples: Sequence[Sample]
    size: int
    path: Path
    """Array file (N, size, size) uint8."""
    states: Path
    """File of N bytes, the state of each row."""

    def named(self, row: int) -> str:
        """A row's file, or its image where there is none."""
        return self.samples[row].source or self.samples[row].image_id


@dataclass(frozen=True, eq=False)
class Worker:
    """A process at the other end of a pipe: tasks of rows go in, what was bad among them comes out."""

    process: multiprocessing.process.BaseProcess
    pipe: Connection
    current_row: mmap.mmap
    """8 bytes that both see: the row that the process is decoding."""

    def row(self) -> int:
        """The row at which the process stands."""
        return int.from_bytes(self.current_row[:], "little")

    def crash_reason(self, job: Job) -> str | None:
        """Why the image that the process died of is bad; None where the process was asked to end (SIGTERM).

        Raises ``DataError`` where it died of something else.
        """
        self.process.join()
        self.pipe.close()
        where, code = job.named(self.row()), self.process.exitcode or 0
        if -code == signal.SIGTERM:
            return None
        if -code in CRASHES:
            return f"cannot decode {where}: its decoder crashed ({signal.Signals(-code).name})"
        how = killed(code, "try fewer --num_workers") if code < 0 else "died"
        raise DataError(f"a process that decodes images {how}; it was at {where}")


class Decoding:
    """Processes that decode the rows ``rows`` in this order, and a thread that gives them their tasks.

    ``note`` is called in the thread with what was bad in a task, before anybody is told that the task is done; what it
    raises ends the decoding. ``ended`` is called when all rows are done.
    """

    def __init__(
        self, job: Job, rows: NDArray[np.int64], workers: int | None, note: Callable[[Bad], None],
        ended: Callable[[], None],
    ) -> None:  # fmt: skip
        self.job, self.total, self.done, self._note, self._ended = job, len(rows), 0, note, ended
        self._waiting = np.zeros(len(job.samples), bool)
        self._waiting[rows] = True
        cuts = range(ROWS_PER_TASK, len(rows), ROWS_PER_TASK)
        self._tasks: deque[Rows] = deque(part.tolist() for part in np.split(rows, cuts))
        self._changed, self._stopped = threading.Condition(), False
        self._error: BaseException | None = None
        count = min(workers or limits.cpus(), max(len(rows) // FEW, 1))
        log.info("decoding %d images, processes: %d", len(rows), count)
        self._workers = [_start(job) for _ in range(count)]
        self._thread = threading.Thread(target=self._run, name="decoding", daemon=True)
        self._thread.start()

    def wait(self, rows: NDArray[np.int64]) -> None:
        """Return when those of ``rows`` that are decoded here are done. Raises what ended the decoding before."""
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None or not self._waiting[rows].any())
        if self._error is not None:
            raise self._error

    def finish(self, tick: Callable[[int], object]) -> None:
        """Wait until all is done; ``tick`` is called with the number of rows done since the last call."""
        told = 0
        while told < self.total:
            with self._changed:
                self._changed.wait_for(lambda: self._error is not None or self.done > told)  # noqa: B023
                done = self.done
            if self._error is not None:
                raise self._error
            tick(done - told)
            told = done
        self._thread.join()

    def close(self) -> None:
        """End the processes; rows that are not done stay missing."""
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
        except BaseException as error:
            self._fail(error)
        finally:
            for worker in self._workers:
                worker.process.kill()  # those that are done do not mind
                worker.process.join()
            if self._stopped:
                self._fail(DataError("the decoding of images was stopped"))

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def _hand_out(self) -> None:
        """Hand out the tasks and collect the bad rows. A worker that dies is replaced."""
        given: dict[Worker, Rows] = {}
        told = time.monotonic()
        while (self._tasks or given) and not self._stopped:
            for worker in [worker for worker in self._workers if worker not in given][: len(self._tasks)]:
                given[worker] = self._tasks.popleft()
                with contextlib.suppress(BrokenPipeError):  # it is dead: its silence will tell
                    worker.pipe.send(given[worker])
            for worker in _ready(given):
                self._take(worker, given.pop(worker))
            if time.monotonic() - told >= EVERY:
                told = time.monotonic()
                log.info("decoded %d of %d images", self.done, self.total)

    def _take(self, worker: Worker, task: Rows) -> None:
        """What came back from ``worker`` for ``task``."""
        try:
            bad: Bad = worker.pipe.recv()
        except (EOFError, ConnectionResetError):
            if self._stopped:
                return
            reason, row = worker.crash_reason(self.job), worker.row()
            bad = {row: reason} if reason else {}
            self._tasks.appendleft([other for other in task if other not in bad])
            task = [*bad]
            self._note(bad)  # before another process is tried: it may be one too many
            self._workers[self._workers.index(worker)] = _start(self.job)
        else:
            self._note(bad)
        with self._changed:
            self._waiting[task] = False
            self.done += len(task)
            self._changed.notify_all()


def _ready(given: Iterable[Worker]) -> list[Worker]:
    """Those who have an answer, or have died, as soon as there is one."""
    pipes = wait([worker.pipe for worker in given])
    return [worker for worker in given if worker.pipe in pipes]


def _start(job: Job) -> Worker:
    """A forked process, so that samples need no pickling."""
    context = multiprocessing.get_context("fork")
    pipe, theirs = context.Pipe()
    current_row = mmap.mmap(-1, 8)
    process = context.Process(target=_work, args=(job, theirs, pipe, current_row, os.getpid()), daemon=True)
    process.start()
    theirs.close()
    return Worker(process, pipe, current_row)


def _work(job: Job, pipe: Connection, parents: Connection, current_row: mmap.mmap, parent: int) -> None:
    """Decode the tasks that come through ``pipe``, until nobody is at its other end any more."""
    parents.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a training's own handler is not meant for this process
    cv2.setNumThreads(0)  # OpenCV's own threads do not survive a fork
    array = np.lib.format.open_memmap(job.path, mode="r+")
    with job.states.open("r+b") as file, contextlib.suppress(BrokenPipeError):
        for rows in _tasks(pipe):
            pipe.send(_decode(job, rows, array, file, current_row, parent))


def _tasks(pipe: Connection) -> Iterator[Rows]:
    """The rows that come, until nobody gives any more."""
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
            os._exit(1)  # nobody waits for this array any more
        current_row[:] = row.to_bytes(8, "little")
        with _locked(file, row):
            if os.pread(file.fileno(), 1, row)[0] != MISSING:
                continue  # another run was faster
            try:
                array[row] = resize_image(job.samples[row].image, (job.size, job.size))
                os.pwrite(file.fileno(), bytes([DECODED]), row)
            except DataError as error:
                bad[row] = str(error)
            except MemoryError:
                bad[row] = f"cannot decode {job.named(row)}: it needs more memory than there is"
    return bad


@contextlib.contextmanager
def _locked(file: BinaryIO, row: int) -> Iterator[None]:
    """Hold the lock of a row, which the system drops when this process dies; some file systems have no locks."""
    with contextlib.suppress(OSError):
        fcntl.lockf(file, fcntl.LOCK_EX, 1, row)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.lockf(file, fcntl.LOCK_UN, 1, row)
