"""Processes that decode: each writes rows of one array and can be asked why it died."""

import contextlib
import mmap
import multiprocessing
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import DataError
from core.frames import resize_image
from core.types import Sample

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
    """A process at the other end of a pipe: portions of rows go in, what was bad among them comes out."""

    process: multiprocessing.process.BaseProcess
    pipe: Connection
    at: mmap.mmap
    """8 bytes that both see: the row that the process is decoding."""

    def row(self) -> int:
        """The row at which the process stands."""
        return int.from_bytes(self.at[:], "little")

    def crash(self, job: Job) -> str:
        """Why the image that the process died of is bad. Raises ``DataError`` where it died of something else."""
        self.process.join()
        self.pipe.close()
        where, code = job.named(self.row()), self.process.exitcode or 0
        if -code in CRASHES:
            return f"cannot decode {where}: its decoder crashed ({signal.Signals(-code).name})"
        how = (
            f"was killed ({signal.Signals(-code).name}), perhaps for want of memory: try fewer --num_workers"
            if code < 0
            else "died"
        )
        raise DataError(f"a process that decodes images {how}; it was at {where}")


def start(job: Job) -> Worker:
    """A forked process, so that samples need no pickling."""
    context = multiprocessing.get_context("fork")
    pipe, theirs = context.Pipe()
    at = mmap.mmap(-1, 8)
    process = context.Process(target=_work, args=(job, theirs, pipe, at, os.getpid()), daemon=True)
    process.start()
    theirs.close()
    return Worker(process, pipe, at)


def _work(job: Job, pipe: Connection, parents: Connection, at: mmap.mmap, parent: int) -> None:
    """Decode the portions that come through ``pipe``, until nobody is at its other end any more."""
    parents.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    cv2.setNumThreads(0)  # OpenCV's own threads do not survive a fork
    array = np.lib.format.open_memmap(job.path, mode="r+")
    with contextlib.suppress(BrokenPipeError):
        while rows := _given(pipe):
            pipe.send(_decode(job, rows, array, at, parent))


def _given(pipe: Connection) -> range:
    """The next portion; none where nobody gives any."""
    try:
        rows: range = pipe.recv()
    except EOFError:
        return range(0)
    return rows


def _decode(job: Job, rows: range, array: NDArray[np.uint8], at: mmap.mmap, parent: int) -> Bad:
    bad: Bad = {}
    for row in rows:
        if os.getppid() != parent:
            os._exit(1)  # nobody waits for this array any more
        at[:] = row.to_bytes(8, "little")
        try:
            array[row] = resize_image(job.samples[row].image, (job.size, job.size))
        except DataError as error:
            bad[row] = str(error)
        except MemoryError:
            bad[row] = f"cannot decode {job.named(row)}: it needs more memory than there is"
    return bad
