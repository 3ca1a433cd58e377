"""Decoding many images into the rows of one array file, by several processes."""

import logging
import multiprocessing
import os
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import cv2
import numpy as np

from core.errors import DataError
from core.frames import resize_image
from core.types import Sample

log = logging.getLogger(__name__)
FEW = 200
"""Images that are worth a process of their own."""
Bad = dict[int, str]
"""Row -> why its image could not be decoded."""


def decode_all(samples: Sequence[Sample], size: int, path: Path, workers: int | None = None) -> Bad:
    """Fill the rows of the array file ``path``, (N, size, size) uint8; ``workers`` None takes the CPUs at hand.

    Raises ``DataError`` when a process dies.
    """
    count = min(workers or len(os.sched_getaffinity(0)), max(len(samples) // FEW, 1))
    if count == 1:
        return _decode(samples, size, path, range(len(samples)))
    log.info("decoding %d images with %d processes", len(samples), count)
    work = [_start(samples, size, path, range(i, len(samples), count)) for i in range(count)]
    try:
        return {row: reason for _, answer in work for row, reason in _received(answer).items()}
    finally:
        for process, _ in work:
            process.terminate()  # those that are done do not mind
            process.join()


def _start(samples: Sequence[Sample], size: int, path: Path, rows: range) -> tuple[multiprocessing.process.BaseProcess, Connection]:
    """A forked process (so that samples need no pickling) and the end at which its answer arrives."""
    context = multiprocessing.get_context("fork")
    answer, give = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(samples, size, path, rows, give, os.getpid()), daemon=True)
    process.start()
    give.close()
    return process, answer


def _work(samples: Sequence[Sample], size: int, path: Path, rows: range, give: Connection, parent: int) -> None:
    cv2.setNumThreads(0)  # OpenCV's own threads do not survive a fork
    give.send(_decode(samples, size, path, rows, parent))


def _received(answer: Connection) -> Bad:
    try:
        found: Bad = answer.recv()
    except EOFError:
        raise DataError("a process that decodes images died, perhaps for want of memory: try fewer workers") from None
    return found


def _decode(samples: Sequence[Sample], size: int, path: Path, rows: range, parent: int | None = None) -> Bad:
    array = np.lib.format.open_memmap(path, mode="r+")
    bad: Bad = {}
    for i in rows:
        if parent is not None and os.getppid() != parent:
            os._exit(1)  # nobody waits for this array any more
        try:
            array[i] = resize_image(samples[i].image, (size, size))
        except DataError as error:
            bad[i] = str(error)
    return bad
