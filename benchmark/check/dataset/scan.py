"""Read all splits of a data set: its samples and images."""

import hashlib
import logging
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from logging.handlers import BufferingHandler

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

import datasets
from config import DatasetCheckConfig
from core.errors import DataError
from core.types import Sample
from datasets.base import SPLITS, Dataset
from datasets.io import limits

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ImageScan:
    """One image of a split, with a summary of its pixels."""

    split: str
    sample: Sample
    pixel_hash: str = ""
    """Hash of shape and pixels; empty if the image was not opened or cannot be read."""
    shape: tuple[int, int] | None = None
    reason: str = ""
    """Why the image cannot be read."""


@dataclass(frozen=True)
class DatasetScan:
    """Everything read from a data set."""

    findings: tuple[str, ...]
    images: Sequence[ImageScan]
    labels: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """Split -> (N,K) labels."""
    refused: dict[str, str] = field(default_factory=dict)
    """Split -> why it cannot be loaded."""
    left_out: int = 0
    """Number of images that the data set left out because their files cannot be read."""
    missing: dict[str, int] = field(default_factory=dict)
    """Split -> number of listed images without a file; for some data sets the number over all splits."""
    warnings: tuple[str, ...] = ()
    """Warnings while loading: missing files, clipped boxes."""


def read(config: DatasetCheckConfig) -> DatasetScan:
    """Read all splits, each image once. Raises ``LocusError`` if no split can be loaded.

    Unreadable images are included with their error; at most ``config.images`` images per split are opened.
    """
    parts: dict[str, Dataset] = {}
    request = {"img_size": config.img_size, **config.split_arguments()}
    refused: dict[str, DataError] = {}
    warnings, logger = BufferingHandler(sys.maxsize), logging.getLogger("datasets")
    warnings.setLevel(logging.WARNING)
    logger.addHandler(warnings)
    try:
        for split in SPLITS:
            try:
                parts[split] = datasets.load(config.name, config.root, split, **request)
            except DataError as error:
                refused[split] = error
    finally:
        logger.removeHandler(warnings)
    messages = tuple(dict.fromkeys(record.getMessage() for record in warnings.buffer))
    if not parts:
        raise refused["test"]
    images = [image for split, data in parts.items() for image in _scan_images(split, list(data), config.images)]
    left_out = max(int(data.describe.get("images_unreadable", 0)) for data in parts.values())
    labels = {split: data.labels for split, data in parts.items()}
    missing = {split: int(data.describe.get("images_without_file", 0)) for split, data in parts.items()}
    findings, sentences = next(iter(parts.values())).findings, {split: str(error) for split, error in refused.items()}
    return DatasetScan(findings, images, labels, sentences, left_out, missing, messages)


def _scan_images(split: str, samples: list[Sample], limit: int | None) -> list[ImageScan]:
    """Scan all samples; the images of the first ``limit`` (None: all) are opened, with a thread per CPU."""
    most = len(samples) if limit is None else min(limit, len(samples))
    log.info("opening %d %s images", most, split)
    with ThreadPoolExecutor(limits.cpus()) as threads:
        scans = threads.map(lambda sample: _scan_image(split, sample), samples[:most])
        opened = list(tqdm(scans, desc=f"open {split}", total=most, unit="image", leave=False, disable=None))
    return opened + [ImageScan(split, sample) for sample in samples[most:]]


def _scan_image(split: str, sample: Sample) -> ImageScan:
    try:
        pixels, _ = sample.image, sample.masks  # masks are decoded only to find broken ones
    except DataError as error:
        return ImageScan(split, sample, reason=str(error))
    digest = hashlib.sha256(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()
    return ImageScan(split, sample, digest, (pixels.shape[0], pixels.shape[1]))
