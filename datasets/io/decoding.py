"""Decoding many images into the rows of one array file, by several processes.

Each process is given a few rows at a time and writes them into the array itself; only what could not be decoded is sent
back. A decoder in native code can kill its process: that file counts as bad, and a new process goes on without it.
"""

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.connection import wait
from pathlib import Path

from tqdm import tqdm

from core.types import Sample
from datasets.io import limits
from datasets.io.decode_workers import Bad, Job, Worker, start

log = logging.getLogger(__name__)
FEW = 200
"""Images that are worth a process more."""
PORTION = 16
"""Rows that a process is given at a time: few, so that all processes end together."""


def decode_all(samples: Sequence[Sample], size: int, path: Path, workers: int | None, most: int) -> Bad:
    """Fill the rows of the array file ``path``, (N, size, size) uint8; ``workers`` None takes the CPUs at hand.

    After a crash with more than ``most`` bad images no more are tried. Raises ``DataError`` when a process is killed
    from outside.
    """
    job = Job(samples, size, path)
    portions = deque(range(i, min(i + PORTION, len(samples))) for i in range(0, len(samples), PORTION))
    count = min(workers or limits.cpus(), max(len(samples) // FEW, 1))
    log.info("decoding %d images, processes: %d", len(samples), count)
    processes = [start(job) for _ in range(count)]
    try:
        with tqdm(total=len(samples), desc="decode", unit="image", leave=False, disable=None) as bar:
            return _decoded(job, processes, portions, most, bar.update)
    finally:
        for worker in processes:
            worker.process.kill()  # those that are done do not mind
            worker.process.join()


def _decoded(job: Job, workers: list[Worker], portions: deque[range], most: int, count: Callable[[int], object]) -> Bad:
    """Hand out the ``portions``, ``count`` the rows done and collect the bad ones.

    A worker that crashes is replaced in the ``workers``.
    """
    bad: Bad = {}
    given: dict[Worker, range] = {}
    while portions or given:
        for worker in [worker for worker in workers if worker not in given][: len(portions)]:
            given[worker] = portions.popleft()
            with contextlib.suppress(BrokenPipeError):  # it is dead: its silence will tell
                worker.pipe.send(given[worker])
        for worker in _ready(given):
            portion = given.pop(worker)
            try:
                bad |= worker.pipe.recv()
            except (EOFError, ConnectionResetError):
                bad[worker.row()] = worker.crash(job)
                if len(bad) > most:
                    return bad
                parts = range(portion.start, worker.row()), range(worker.row() + 1, portion.stop)
                portions.extend(part for part in parts if part)
                workers[workers.index(worker)] = start(job)
                portion = range(1)  # the bad one: the others come again
            count(len(portion))
    return bad


def _ready(given: Iterable[Worker]) -> list[Worker]:
    """Those who have an answer, or have died, as soon as there is one."""
    pipes = wait([worker.pipe for worker in given])
    return [worker for worker in given if worker.pipe in pipes]
