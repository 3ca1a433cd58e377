"""Cache of decoded images: a memory-mapped uint8 array on disk, filled row by row on demand by a pool of processes.

The file name is a hash of the sources, modification times and file sizes of all images, so changed content gets a new
file. A second file stores the state of each row (missing, begun, bad, or the checksum of its pixels), a third the
reason why a row is bad. The state is written after the row, so the next run continues where an interrupted one stopped.
One image is decoded by ``images`` or ``dicom``.
"""

import contextlib
import fcntl
import json
import logging
import multiprocessing
import os
import signal
import threading
import time
import tokenize
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from locus.core import limits
from locus.core.errors import DataError, examples, one_line
from locus.core.files import atomic, open_no_symlink, remove_leftovers, writing
from locus.core.frames import resize_image
from locus.core.types import Sample
from locus.datasets.base import content_key

log = logging.getLogger(__name__)
MAX_LISTED_IMAGES = 20
"""Maximum number of unreadable images listed by name."""
IMAGES_PER_PROCESS = 200
"""Number of images per additional process."""
ROWS_PER_TASK = 16
"""Rows per task: few, so that all processes end together."""
LOG_SECONDS = 60.0
"""Seconds between two progress lines in the log."""
MISSING, BEGUN, BAD = 0, 1, 2**32 - 1
"""States of a row; every other state is the checksum of a decoded one."""


class PixelCache:
    """Images of ``data`` at ``size`` x ``size``, decoded on first use and cached in ``folder``.

    The first read of a missing row starts processes that decode all missing rows: first those in ``order``, then the
    others in the order of the data. Raises ``DataError`` if the cache cannot be written or the share of bad images
    exceeds ``max_bad``.
    """

    def __init__(
        self, data: Sequence[Sample], size: int, folder: Path | str, max_bad: float = 0.01, workers: int | None = None
    ) -> None:  # fmt: skip
        """Open the cache of some images, or create it; nothing is decoded yet.

        Args:
            data: the images.
            size: side of the cached pixels.
            folder: folder of the cache.
            max_bad: largest share of unreadable images.
            workers: largest number of processes that decode; None: the number of CPUs.

        Raises:
            DataError: too many unreadable images, or a cache that cannot be read.
        """
        self.order: NDArray[np.int64] | None = None
        """(n,) rows to decode first, in this sequence; None means no preference."""
        self._data = data
        self._max_bad = max_bad
        self._workers = workers
        self._reported = False
        self._tasks: dict[int, Future[None]] = {}
        """Row -> the task of ``_pool`` that decodes it."""
        self._pool: ProcessPoolExecutor | None = None
        self._missing_at_break = (
            len(data) + 1
        )  # rows that were missing when a process of the pool last ended
        path = Path(folder) / f"{content_key(data, size)}-{size}.npy"
        self._path = path
        self._state_file = path.with_suffix(".rows")
        self._reasons = path.with_suffix(".bad")
        shape = (max(len(data), 1), size, size)
        with _lock(path):
            if not self._open(shape):
                _create(path, self._state_file, self._reasons, shape)
                if not self._open(shape):
                    raise DataError(
                        f"the cache {path} was written but cannot be read: choose another --cache_dir"
                    )
        self._check_share_of_bad()
        if not len(self._missing()):
            self.report()

    def __len__(self) -> int:
        return len(self.states)

    def read(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Wait until ``rows`` are decoded; return their (n, size, size) pixels and (n,) bool, False for bad rows.

        Raises ``DataError`` if decoding fails.
        """
        self._refuse_damaged(rows)
        for row in rows.tolist():
            self._require(row)
        return self.images[rows], self.states[rows] != BAD

    def _refuse_damaged(self, rows: NDArray[np.int64]) -> None:
        """Mark those of ``rows`` as missing whose pixels differ from their checksum; each row is checked once."""
        unchecked = rows[~self._checked[rows]]
        decoded = unchecked[~np.isin(self.states[unchecked], (MISSING, BEGUN, BAD))]
        damaged = [row for row in decoded if checksum(self.images[row]) != self.states[row]]
        self._checked[unchecked] = True
        if damaged:
            log.warning(
                "the cache %s is damaged in %d images; decoding them again",
                self._path,
                len(damaged),
            )
            self.states[damaged] = MISSING

    def complete(self) -> NDArray[np.uint8]:
        """Decode all missing rows; return all (N, size, size). Raises ``DataError`` if decoding fails."""
        self.order = None
        self._refuse_damaged(np.arange(len(self)))
        missing = self._missing()
        last_report = time.monotonic()
        rows = tqdm(missing.tolist(), "decode", unit="image", leave=False, disable=None)
        for done, row in enumerate(rows):
            self._require(row)
            if time.monotonic() - last_report >= LOG_SECONDS:
                last_report = time.monotonic()
                log.info("decoded %d of %d images", done + 1, len(missing))
        self.close()
        self.report()
        return self.images

    def bad(self) -> dict[int, str]:
        """Return row -> reason for each bad row found so far, in ascending order of rows."""
        if not self._reasons.exists():
            return {}
        bad = dict.fromkeys(np.flatnonzero(self.states == BAD).tolist(), "unreadable")
        for line in self._reasons.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError, TypeError):  # damaged
                row, reason = json.loads(line)
                bad |= {row: str(reason)} if row in bad else {}
        return bad

    def close(self) -> None:
        """Stop decoding. Decoded rows remain in the cache."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._pool = None
        self._tasks = {}

    def _open(self, shape: tuple[int, int, int]) -> bool:
        """Map the files; return False if they are missing, links or damaged."""
        if any(file.is_symlink() or not file.exists() for file in (self._path, self._state_file)):
            return False
        try:
            self.images = np.load(self._path, mmap_mode="r+")
            if self._state_file.stat().st_size != 4 * len(
                self.images
            ):  # numpy would extend a truncated file
                raise ValueError(f"{self._state_file.name} has the wrong size")
            self.states = np.memmap(self._state_file, np.uint32, "r+", shape=shape[:1])[
                : len(self._data)
            ]
        except (ValueError, EOFError, SyntaxError, tokenize.TokenError) as error:
            log.warning(
                "the cache %s is damaged (%s); decoding its images again",
                self._path,
                one_line(error),
            )
            return False
        self._checked = np.zeros(len(self.states), bool)
        return self.images.shape == shape and self.images.dtype == np.uint8

    def _missing(self) -> NDArray[np.int64]:
        """Return the rows to decode, in order."""
        return np.flatnonzero(self.states <= BEGUN)

    def _require(self, row: int) -> None:
        """Wait until ``row`` is decoded or bad. Raises ``DataError`` if too many are bad."""
        with contextlib.ExitStack() as on_error:
            on_error.callback(self.close)
            while row in self._tasks or self.states[row] <= BEGUN:
                try:  # a process may crash while tasks are still submitted
                    if row not in self._tasks:
                        self._start(row)
                    self._tasks.pop(row).result()
                except BrokenProcessPool:
                    self.close()
                    self._find_crash()
                self._check_share_of_bad()
                if not self._tasks:
                    self.close()
            on_error.pop_all()

    def _start(self, row: int) -> None:
        """Decode the missing rows in new processes: those in ``order`` first, and alone if ``row`` is one of them."""
        self.close()
        rows = (
            self._missing() if self.order is None else self.order[self.states[self.order] <= BEGUN]
        )
        rows = rows if row in rows else self._missing()
        count = min(self._workers or limits.cpus(), max(len(rows) // IMAGES_PER_PROCESS, 1))
        log.info("decoding %d images, processes: %d", len(rows), count)
        self._pool = _pool(count, self)
        for task in np.split(rows, range(ROWS_PER_TASK, len(rows), ROWS_PER_TASK)):
            self._tasks |= dict.fromkeys(task.tolist(), self._pool.submit(_decode, task.tolist()))

    def _find_crash(self) -> None:
        """Find the rows that crash a process: decode each unfinished row in a process of its own."""
        begun = np.flatnonzero(self.states == BEGUN).tolist()
        missing = len(self._missing())
        stuck = missing == self._missing_at_break
        self._missing_at_break = missing
        if stuck and not begun:
            raise DataError(
                "a process that decodes images was killed: run the command again, with a smaller --num_workers"
            )
        for row in begun:
            try:
                with _pool(1, self) as pool:
                    pool.submit(_decode, [row]).result()
            except BrokenProcessPool:
                self._mark_bad(
                    row, f"cannot decode {self._named(row)}: its decoder crashed or was killed"
                )
            self._check_share_of_bad()

    def decode(self, row: int) -> None:
        """Decode a row that is still missing, in a process of the pool."""
        if self.states[row] > BEGUN:
            return  # decoded by another run
        self.states[row] = BEGUN
        try:
            size = self.images.shape[1]
            self.images[row] = resize_image(self._data[row].image, (size, size))
            self.states[row] = checksum(self.images[row])
        except DataError as error:
            self._mark_bad(row, str(error))
        except MemoryError:
            self._mark_bad(row, f"cannot decode {self._named(row)}: out of memory")

    def _named(self, row: int) -> str:
        """Return the path of a row's image, or its ID if there is no file."""
        return self._data[row].source or self._data[row].image_id

    def _mark_bad(self, row: int, reason: str) -> None:
        with writing(self._reasons), open_no_symlink(self._reasons, "ab") as file:
            file.write(json.dumps([row, reason]).encode() + b"\n")
        self.states[row] = BAD

    def report(self) -> None:
        """Log the unreadable images that are known, once."""
        if self._reported:
            return
        self._reported = True
        bad = [*self.bad().values()]
        for reason in bad[:MAX_LISTED_IMAGES]:
            log.warning("skipped: %s", reason)
        if len(bad) > MAX_LISTED_IMAGES:
            log.warning(
                "skipped: %d more, listed in %s", len(bad) - MAX_LISTED_IMAGES, self._reasons
            )

    def _check_share_of_bad(self) -> None:
        """Raise ``DataError`` if the share of bad images exceeds ``max_bad``."""
        count = len(self.states)
        unreadable = np.count_nonzero(self.states == BAD)
        if unreadable > self._max_bad * count:
            bad = self.bad()
            allowed = f"--max_bad_images allows a share of {self._max_bad:g}"
            raise DataError(
                f"{unreadable} of {count} images cannot be read ({allowed}): {examples(bad.values())}"
            )


def checksum(row: NDArray[np.uint8]) -> int:
    """Return the state of a decoded row."""
    return min(max(zlib.crc32(np.ascontiguousarray(row).data), BEGUN + 1), BAD - 1)


_cache: PixelCache
"""The cache that this process of a pool fills."""


def _pool(count: int, cache: PixelCache) -> ProcessPoolExecutor:
    """Return a pool of forked processes, so that samples need no pickling."""
    return ProcessPoolExecutor(count, multiprocessing.get_context("fork"), _prepare, (cache,))


def _prepare(cache: PixelCache) -> None:
    """Prepare a process of a pool, which ends with its parent process and leaves signals to it."""
    global _cache
    _cache = cache
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # undo the handler of a training run
    cv2.setNumThreads(0)  # OpenCV's threads do not survive a fork
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _decode(rows: list[int]) -> None:
    for row in rows:
        _cache.decode(row)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Lock the array. The lock is released when this process dies; child processes do not inherit it."""
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = open_no_symlink(path.with_suffix(".lock"), "w")
    with handle:
        fcntl.lockf(handle, fcntl.LOCK_EX)
        yield


def _create(path: Path, states: Path, reasons: Path, shape: tuple[int, int, int]) -> None:
    """Create the array, with every row marked as missing.

    Blocks are allocated now; otherwise a full disk would kill the process later.
    """
    remove_leftovers(path.parent.glob(".*"))
    reasons.unlink(missing_ok=True)
    with atomic(states) as temporary:
        temporary.write_bytes(bytes(4 * shape[0]))
    with atomic(path) as temporary:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        array.flush()
        with temporary.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, temporary.stat().st_size)
