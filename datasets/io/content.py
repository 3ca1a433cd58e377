"""Key of the pixels of a data set, computed without decoding them."""

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from core.types import Sample
from datasets.base import Dataset
from datasets.columns import from_samples

log = logging.getLogger(__name__)
MANY = 2000
"""Number of files above which reading their headers is announced, because it takes more than a second."""


def content_key(data: Sequence[Sample], size: int) -> str:
    """Return 16 hex digits that identify the images of ``data`` resized to ``size``."""
    if len(data) > MANY:
        log.info("checking the files of %d images", len(data))
    columns = data.columns if isinstance(data, Dataset) else from_samples(data, len(data[0].labels) if data else 0)
    digest = hashlib.sha256(b"rows %d" % size)
    names = zip(columns.sources, columns.images, strict=True)
    for i, (source, image) in enumerate(tqdm(names, "list images", len(data), unit="image", leave=False, disable=None)):
        content = _content(source, image) if source else [image, hashlib.sha256(data[i].image.tobytes()).hexdigest()]
        digest.update(json.dumps(content).encode())
    return digest.hexdigest()[:16]


def _content(source: str, image: str) -> list[object]:
    """Return a list that identifies the pixels: path, time and length of a file, or source and name of the image."""
    stamp = content_stamp(source)
    return [os.path.abspath(source), *stamp] if stamp else [source, image]  # noqa: PTH100 - four times as fast


def content_stamp(path: Path | str) -> tuple[int, ...]:
    """Return the modification time (ns) and the length (bytes) of a file, to detect changes; () if it is missing."""
    try:
        state = os.stat(path)  # noqa: PTH116 - faster than a Path object for each of many files
    except OSError:
        return ()
    return state.st_mtime_ns, state.st_size
