"""Process that decodes images into the rows of an array file, and its interface to the parent process."""

import contextlib
import fcntl
import mmap
import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import DataError, killed
from core.frames import resize_image
from core.types import Sample

CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
"""Signals of a crash caused by the process itself."""
MISSING, DECODED, BAD = 0, 1, 2
"""States of a row."""
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
    """File of N bytes, the state of each row."""

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
    array = np.lib.format.open_memmap(job.path, mode="r+")
    with job.states.open("r+b") as file, contextlib.suppress(BrokenPipeError):
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
            if os.pread(file.fileno(), 1, row)[0] != MISSING:
                continue  # decoded by another run
            try:
                array[row] = resize_image(job.samples[row].image, (job.size, job.size))
                os.pwrite(file.fileno(), bytes([DECODED]), row)
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
