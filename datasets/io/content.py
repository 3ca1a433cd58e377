"""What the pixels of images depend on, without decoding them."""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from core.types import Sample

log = logging.getLogger(__name__)
MANY = 2000
"""Files whose headings take more than a second."""


def content_key(data: Sequence[Sample], size: int, seen: Callable[[Sample], object]) -> str:
    """16 hex digits of what the pixels depend on; ``seen`` gets each sample on the way."""
    if len(data) > MANY:
        log.info("listing %d images", len(data))
    digest = hashlib.sha256(b"rows %d" % size)
    for sample in tqdm(data, desc="list images", unit="image", leave=False, disable=None):
        digest.update(json.dumps(_content(sample)).encode())
        seen(sample)
    return digest.hexdigest()[:16]


def _content(sample: Sample) -> list[object]:
    """What the pixels depend on: a file's path, time and length, a drawn image's recipe, or else the pixels."""
    if not sample.source:
        return [sample.image_id, hashlib.sha256(sample.image.tobytes()).hexdigest()]
    try:
        return [os.path.abspath(sample.source), *content_stamp(sample.source)]  # noqa: PTH100 - four times as fast
    except OSError:
        return [sample.source, sample.image_id]


def content_stamp(path: Path | str) -> tuple[int, int]:
    """A file's time of change and its length, which tell other content without reading it. Raises ``OSError``.

    (nanoseconds, bytes).
    """
    state = os.stat(path)  # noqa: PTH116 - of many files, without an object for each
    return state.st_mtime_ns, state.st_size
