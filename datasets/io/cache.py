"""Pixels decoded once: a memory-mapped uint8 array on disk.

The array's name is a hash of every image's source, time of change and length, so other content is another file. It is
written under a temporary name and renamed when whole: killed half-way, it leaves nothing that counts. Two runs that
want the same array take turns at a lock, and the second finds it made.
"""

import contextlib
import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from core.errors import DataError, examples, one_line
from core.files import atomic, key, remove_leftovers, write_json, writing
from core.types import Sample
from datasets.io.decoding import decode_all

log = logging.getLogger(__name__)
MANY = 2000
"""Files whose headings take more than a second."""


@dataclass(frozen=True)
class DecodedImages:
    """The decoded images of a data set."""

    images: NDArray[np.uint8]
    """(n, size, size), memory-mapped: row j is the image ``kept[j]`` of the data set."""
    kept: NDArray[np.int64]
    """(n,) positions in the data set, ascending."""
    bad: list[tuple[str, str]]
    """(image_id, reason) of each image that was left out."""


def pixels(
    data: Sequence[Sample], size: int, folder: Path | str, max_bad: float = 0.01, workers: int | None = None
) -> DecodedImages:
    """The images of ``data`` at ``size`` x ``size`` (area averaging), from ``folder`` where they were made before.

    Images that cannot be decoded are left out and named. Raises ``DataError`` when they are more than the share
    ``max_bad``, or when the disk refuses. ``workers``: processes; None takes the CPUs this process may use.
    """
    if len(data) > MANY:
        log.info("listing %d images", len(data))
    samples = list(tqdm(data, desc="list images", unit="image", leave=False, disable=None))
    path = Path(folder) / f"{key([size, [_content(sample) for sample in samples]])}-{size}.npy"
    with _lock(path):
        if (made := _read(path)) is None:
            _make(samples, size, path, max_bad, workers)
            made = _read(path)
    if made is None:
        raise DataError(f"{path} was written and cannot be read: choose another --cache_dir")
    images, bad = made
    reasons = [(samples[int(i)].image_id, reason) for i, reason in bad.items()]
    _require_few(reasons, len(samples), max_bad)
    for _, reason in reasons[:3]:
        log.warning("left out: %s", reason)
    kept = np.setdiff1d(np.arange(len(samples)), [int(i) for i in bad])
    return DecodedImages(images[: len(kept)], kept, reasons)


def _read(path: Path) -> tuple[NDArray[np.uint8], dict[str, str]] | None:
    """The array and the bad rows with their reasons; None where they were not made or are damaged."""
    if not (path.exists() and path.with_suffix(".json").exists()):
        return None
    try:
        return np.load(path, mmap_mode="r"), json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (ValueError, EOFError) as error:
        log.warning("the pixels in %s are damaged (%s): they are decoded again", path, one_line(error))
        return None


def _content(sample: Sample) -> list[object]:
    """What the pixels depend on: a file's path, time and length, a drawn image's recipe, or else the pixels."""
    if not sample.source:
        return [sample.image_id, hashlib.sha256(sample.image.tobytes()).hexdigest()]
    path = Path(sample.source).absolute()
    try:
        return [str(path), *content_stamp(path)]
    except OSError:
        return [sample.source, sample.image_id]


def content_stamp(path: Path) -> tuple[int, int]:
    """A file's time of change and its length, which tell other content without reading it. Raises ``OSError``.

    (nanoseconds, bytes).
    """
    state = path.stat()
    return state.st_mtime_ns, state.st_size


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold the array's lock: a record lock, which the system drops when this process dies and children do not hold."""
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.with_suffix(".lock").open("w")
    with handle:
        fcntl.lockf(handle, fcntl.LOCK_EX)
        yield


def _make(samples: list[Sample], size: int, path: Path, max_bad: float, workers: int | None) -> None:
    remove_leftovers(path.parent.glob(".*"))
    with atomic(path) as temporary:
        _reserve(temporary, (max(len(samples), 1), size, size))
        bad = decode_all(samples, size, temporary, workers, max_bad=int(max_bad * len(samples)))
        _require_few([(samples[i].image_id, reason) for i, reason in bad.items()], len(samples), max_bad)
        _close_gaps(temporary, sorted(bad))
        write_json(path.with_suffix(".json"), {str(i): reason for i, reason in sorted(bad.items())})


def _reserve(path: Path, shape: tuple[int, int, int]) -> None:
    """An array file with all its blocks on disk: a disk that fills up later would kill a process that maps it."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    array.flush()
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _close_gaps(path: Path, bad: list[int]) -> None:
    """Move the rows behind each bad image up, so that the kept ones are contiguous."""
    array = np.lib.format.open_memmap(path, mode="r+")
    good = np.setdiff1d(np.arange(len(array)), bad)
    for row, source in enumerate(good.tolist()):
        if row != source:
            array[row] = array[source]


def _require_few(bad: list[tuple[str, str]], count: int, max_bad: float) -> None:
    """Raise ``DataError`` when what is left out is more than the share ``max_bad``."""
    if len(bad) > max_bad * count:
        listing = examples(reason for _, reason in bad)
        allowed = f"more than --max_bad_images {max_bad:g} allows"
        raise DataError(f"{len(bad)} of {count} images cannot be used, {allowed}: {listing}")
