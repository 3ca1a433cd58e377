"""Cache of decoded images: a memory-mapped uint8 array on disk, filled row by row on demand.

The file name is a hash of the sources, modification times and file sizes of all images, so changed content gets a new
file. A second file stores the state of each row (missing, bad, or the checksum of its pixels), a third the reason why
a row is bad. The state is written after the row, so the next run continues where an interrupted one stopped.
"""

import atexit
import contextlib
import fcntl
import json
import logging
import os
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from locus.core.errors import DataError, examples, one_line
from locus.core.files import atomic, remove_leftovers, writing
from locus.core.types import Sample
from locus.datasets.base import content_key
from locus.datasets.io.decoding import BAD, MISSING, Bad, Decoding, Job, checksum

log = logging.getLogger(__name__)
NAMED = 20
"""Maximum number of unreadable images listed by name."""


@dataclass(frozen=True)
class DecodedImages:
    """Decoded images of a data set."""

    images: NDArray[np.uint8]
    """(N, size, size), memory-mapped: row i is image i of the data set; bad rows are undefined."""
    kept: NDArray[np.int64]
    """(n,) positions of the readable images, ascending."""
    bad: list[tuple[str, str]]
    """(image_id, reason) of each image that cannot be read."""


def pixels(
    data: Sequence[Sample], size: int, folder: Path | str, max_bad: float = 0.01, workers: int | None = None
) -> DecodedImages:
    """Return the images of ``data`` at ``size`` x ``size`` (area averaging), cached in ``folder``.

    ``workers``: number of processes; None means one per CPU available to this process. Unreadable images are logged.
    Raises ``DataError`` if their share exceeds ``max_bad`` or if the cache cannot be written.
    """
    cache = PixelCache(data, size, folder, max_bad, workers)
    cache.complete()
    bad = cache.bad()
    reasons = [(data[row].image_id, reason) for row, reason in bad.items()]
    return DecodedImages(cache.images, np.setdiff1d(np.arange(len(data)), [*bad]), reasons)


class PixelCache:
    """Images of ``data`` at ``size`` x ``size``, decoded on first use and cached in ``folder``.

    The first read of a missing row starts processes that decode all missing rows: first those in ``order``, then the
    others in the order of the data. Raises ``DataError`` if the cache cannot be written or the share of bad images
    exceeds ``max_bad``.
    """

    def __init__(
        self, data: Sequence[Sample], size: int, folder: Path | str, max_bad: float = 0.01, workers: int | None = None
    ) -> None:  # fmt: skip
        self.order: NDArray[np.int64] | None = None
        """(n,) rows to decode first, in this sequence; None means no preference."""
        self._max_bad, self._workers, self._reported = max_bad, workers, False
        self._decoding: Decoding | None = None
        path = Path(folder) / f"{content_key(data, size)}-{size}.npy"
        self._job = Job(data, size, path, path.with_suffix(".rows"))
        self._reasons = path.with_suffix(".bad")
        with _lock(path):
            if not self._open():
                _create(path, self._job.states, self._reasons, (max(len(data), 1), size, size))
                if not self._open():
                    raise DataError(f"the cache {path} was written but cannot be read: choose another --cache_dir")
        self._check_share_of_bad()
        if not len(self._missing()):
            self._report()

    def __len__(self) -> int:
        return len(self.states)

    def read(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Wait until ``rows`` are decoded; return their (n, size, size) pixels and (n,) bool, False for bad rows.

        Raises ``DataError`` if decoding fails.
        """
        self._refuse_damaged(rows)
        if (self.states[rows] == MISSING).any():
            self._require(rows)
        return self.images[rows], self.states[rows] != BAD

    def _refuse_damaged(self, rows: NDArray[np.int64]) -> None:
        """Mark those of ``rows`` as missing whose pixels differ from their checksum; each row is checked once."""
        unchecked = rows[~self._checked[rows]]
        decoded = unchecked[~np.isin(self.states[unchecked], (MISSING, BAD))]
        damaged = [row for row in decoded if checksum(self.images[row]) != self.states[row]]
        self._checked[unchecked] = True
        if damaged:
            log.warning("the cache %s is damaged in %d images; decoding them again", self._job.path, len(damaged))
            self.states[damaged] = MISSING

    def complete(self) -> None:
        """Decode all missing rows. Raises ``DataError`` if decoding fails."""
        self.order = None
        self._refuse_damaged(np.arange(len(self)))
        while missing := len(self._missing()):
            decoding = self._decoding or self._start(self._missing())
            with tqdm(total=missing, desc="decode", unit="image", leave=False, disable=None) as bar:
                decoding.finish(bar.update)
            self._decoding = None
        self._report()

    def bad(self) -> Bad:
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
        if self._decoding is not None:
            self._decoding.close()
        self._decoding = None

    def _open(self) -> bool:
        """Map the files; return False if they are missing or damaged."""
        job = self._job
        if not (job.path.exists() and job.states.exists()):
            return False
        try:
            self.images = np.load(job.path, mmap_mode="r")
            if job.states.stat().st_size != 4 * len(self.images):  # numpy would extend a truncated file
                raise ValueError(f"{job.states.name} has the wrong size")
            self.states = np.memmap(job.states, np.uint32, "r+", shape=(len(self.images),))[: len(job.samples)]
        except (ValueError, EOFError, SyntaxError, tokenize.TokenError) as error:
            log.warning("the cache %s is damaged (%s); decoding its images again", job.path, one_line(error))
            return False
        self._checked = np.zeros(len(self.states), bool)
        shape = (max(len(job.samples), 1), job.size, job.size)
        return self.images.shape == shape and self.images.dtype == np.uint8

    def _missing(self) -> NDArray[np.int64]:
        """Return the rows to decode, in order."""
        if self.order is not None:
            chosen = self.order[self.states[self.order] == MISSING]
            if len(chosen):
                return chosen
        return np.flatnonzero(self.states == MISSING)

    def _require(self, rows: NDArray[np.int64]) -> None:
        """Wait for ``rows``. If the running job does not include them, it is finished first."""
        while (self.states[rows] == MISSING).any():
            decoding = self._decoding or self._start(self._missing())
            decoding.wait(rows)
            if (self.states[rows] == MISSING).any():
                decoding.finish(lambda _: None)
                self._decoding = None

    def _start(self, rows: NDArray[np.int64]) -> Decoding:
        atexit.register(self.close)
        self._decoding = Decoding(self._job, rows, self._workers, self._note, self._report)
        return self._decoding

    def _note(self, bad: Bad) -> None:
        """Store bad rows. Raises ``DataError`` if there are too many."""
        if not bad:
            return
        with writing(self._reasons), self._reasons.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps([row, reason]) + "\n" for row, reason in bad.items()))
        self.states[[*bad]] = BAD
        self._check_share_of_bad()

    def _report(self) -> None:
        """Log the unreadable images, once."""
        if self._reported:
            return
        self._reported = True
        bad = [*self.bad().values()]
        for reason in bad[:NAMED]:
            log.warning("skipped: %s", reason)
        if len(bad) > NAMED:
            log.warning("skipped: %d more, listed in %s", len(bad) - NAMED, self._reasons)

    def _check_share_of_bad(self) -> None:
        """Raise ``DataError`` if the share of bad images exceeds ``max_bad``."""
        count, bad = len(self.states), self.bad()
        if len(bad) > self._max_bad * count:
            allowed = f"--max_bad_images allows a share of {self._max_bad:g}"
            raise DataError(f"{len(bad)} of {count} images cannot be read ({allowed}): {examples(bad.values())}")


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Lock the array. The lock is released when this process dies; child processes do not inherit it."""
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.with_suffix(".lock").open("w")
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
