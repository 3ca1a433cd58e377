"""Every split of a data set read whole: its samples, and what each file turned out to be."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmark import loading
from config import DoctorConfig
from core.errors import DataError
from core.types import Sample
from datasets import limits
from datasets.base import SPLITS, Dataset


@dataclass(frozen=True, eq=False)
class Look:
    """One image: where it is, and its pixels in short."""

    split: str
    sample: Sample
    print: str = ""
    """Hash of shape and pixels; empty where the image was not opened or cannot be read."""
    shape: tuple[int, int] | None = None
    reason: str = ""
    """Why it cannot be read."""


@dataclass(frozen=True)
class Read:
    """All that was read."""

    findings: tuple[str, ...]
    looks: Sequence[Look]
    labels: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """Split -> (N,K) labels."""
    refused: dict[str, str] = field(default_factory=dict)
    """Split -> the sentence with which the data set refuses it."""
    clipped: int = 0
    """Boxes of all splits that the data set itself cut at the image's edge."""


def read(config: DoctorConfig) -> Read:
    """Read every split, each image once. Raises ``LocusError`` when the data set gives no split at all."""
    parts: dict[str, Dataset] = {}
    refused: dict[str, DataError] = {}
    for split in SPLITS:
        try:
            parts[split] = loading.load(config, config.name, config.root, split)
        except DataError as error:
            refused[split] = error
    if not parts:
        raise refused["test"]
    looks = [look for split, data in parts.items() for look in _looks(split, list(data), config)]
    clipped = max(int(data.describe.get("boxes_clipped", 0)) for data in parts.values())
    labels = {split: data.labels for split, data in parts.items()}
    return Read(next(iter(parts.values())).findings, looks, labels, {split: str(error) for split, error in refused.items()}, clipped)


def _looks(split: str, samples: list[Sample], config: DoctorConfig) -> list[Look]:
    """One look per sample; the first ``config.images`` of them (None: all) are opened, by a thread per CPU."""
    most = len(samples) if config.images is None else config.images
    with ThreadPoolExecutor(limits.cpus()) as threads:
        opened = list(threads.map(lambda sample: _look(split, sample), samples[:most]))
    return opened + [Look(split, sample) for sample in samples[most:]]


def _look(split: str, sample: Sample) -> Look:
    try:
        pixels = sample.image
    except DataError as error:
        return Look(split, sample, reason=str(error))
    digest = hashlib.sha256(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()
    return Look(split, sample, digest, (pixels.shape[0], pixels.shape[1]))
