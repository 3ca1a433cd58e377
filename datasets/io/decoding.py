"""Decoding many images into the rows of one array file, by several processes.

Each process is given a few rows at a time and writes them into the array itself; only what could not be decoded is sent
back. A decoder in native code can kill its process: that file counts as bad, and a new process goes on without it.
"""

import contextlib
import logging
import mmap
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from core.errors import DataError, killed
from core.frames import resize_image
from core.types import Sample
from datasets.io import limits

log = logging.getLogger(__name__)
FEW = 200
"""Images that are worth a process more."""
ROWS_PER_TASK = 16
"""Rows that a process is given at a time: few, so that all processes end together."""
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
"""Signals by which a process dies of what it does itself."""
Bad = dict[int, str]
"""Row -> why its image could not be decoded."""


@dataclass(frozen=True)
class Job:
    """What there is to decode, and the array file (N, size, size) uint8 to which it goes."""

    samples: Sequence[Sample]
    size: int
    path: Path

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

    def crash_reason(self, job: Job) -> str:
        """Why the image that the process died of is bad. Raises ``DataError`` where it died of something else."""
        self.process.join()
        self.pipe.close()
        where, code = job.named(self.row()), self.process.exitcode or 0
        if -code in CRASHES:
            return f"cannot decode {where}: its decoder crashed ({signal.Signals(-code).name})"
        how = killed(code, "try fewer --num_workers") if code < 0 else "died"
        raise DataError(f"a process that decodes images {how}; it was at {where}")


def decode_all(samples: Sequence[Sample], size: int, path: Path, workers: int | None, max_bad: int) -> Bad:
    """Fill the rows of the array file ``path``, (N, size, size) uint8; ``workers`` None takes the CPUs at hand.

    After a crash with more than ``max_bad`` bad images no more are tried. Raises ``DataError`` when a process is killed
    from outside.
    """
    job = Job(samples, size, path)
    tasks = deque(range(i, min(i + ROWS_PER_TASK, len(samples))) for i in range(0, len(samples), ROWS_PER_TASK))
    count = min(workers or limits.cpus(), max(len(samples) // FEW, 1))
    log.info("decoding %d images, processes: %d", len(samples), count)
    processes = [_start(job) for _ in range(count)]
    try:
        with tqdm(total=len(samples), desc="decode", unit="image", leave=False, disable=None) as bar:
            return _hand_out(job, processes, tasks, max_bad, bar.update)
    finally:
        for worker in processes:
            worker.process.kill()  # those that are done do not mind
            worker.process.join()


def _hand_out(job: Job, workers: list[Worker], tasks: deque[range], max_bad: int, tick: Callable[[int], object]) -> Bad:
    """Hand out the ``tasks``, ``tick`` the rows done and collect the bad ones.

    A worker that crashes is replaced in the ``workers``.
    """
    bad: Bad = {}
    given: dict[Worker, range] = {}
    while tasks or given:
        for worker in [worker for worker in workers if worker not in given][: len(tasks)]:
            given[worker] = tasks.popleft()
            with contextlib.suppress(BrokenPipeError):  # it is dead: its silence will tell
                worker.pipe.send(given[worker])
        for worker in _ready(given):
            task = given.pop(worker)
            try:
                bad |= worker.pipe.recv()
            except (EOFError, ConnectionResetError):
                bad[worker.row()] = worker.crash_reason(job)
                if len(bad) > max_bad:
                    return bad
                parts = range(task.start, worker.row()), range(worker.row() + 1, task.stop)
                tasks.extend(part for part in parts if part)
                workers[workers.index(worker)] = _start(job)
                task = range(1)  # the bad one: the others come again
            tick(len(task))
    return bad


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
    cv2.setNumThreads(0)  # OpenCV's own threads do not survive a fork
    array = np.lib.format.open_memmap(job.path, mode="r+")
    with contextlib.suppress(BrokenPipeError):
        for rows in _tasks(pipe):
            pipe.send(_decode(job, rows, array, current_row, parent))


def _tasks(pipe: Connection) -> Iterator[range]:
    """The rows that come, until nobody gives any more."""
    with contextlib.suppress(EOFError):
        while True:
            yield pipe.recv()


def _decode(job: Job, rows: range, array: NDArray[np.uint8], current_row: mmap.mmap, parent: int) -> Bad:
    bad: Bad = {}
    for row in rows:
        if os.getppid() != parent:
            os._exit(1)  # nobody waits for this array any more
        current_row[:] = row.to_bytes(8, "little")
        try:
            array[row] = resize_image(job.samples[row].image, (job.size, job.size))
        except DataError as error:
            bad[row] = str(error)
        except MemoryError:
            bad[row] = f"cannot decode {job.named(row)}: it needs more memory than there is"
    return bad
