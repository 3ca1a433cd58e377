"""What a run learns from: each split's decoded images in a memory map."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

import datasets
from benchmark.training import devices
from config import TrainConfig
from core.errors import DataError
from core.flags.data import DataFlags
from core.types import FloatArray
from datasets.base import EXTRA
from datasets.base import Dataset as DataSource
from datasets.io import cache, preprocess

log = logging.getLogger(__name__)
Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class SplitImages(Dataset[Batch]):
    """The images of one split that could be read and that the run uses."""

    findings: tuple[str, ...]
    images: NDArray[np.uint8]
    """(N, size, size), memory-mapped; ``rows`` says which of them belong here."""
    rows: NDArray[np.int64]
    """(n,) positions in ``images``."""
    labels: Tensor
    """(n, K) float32: 0, 1 or nan (unknown)."""
    ids: list[tuple[str, str, bool]]
    """(image, patient, has a truth box) of each row."""
    describe: dict[str, Any]
    """What the data set says about this split, and how many images were left out."""
    studies: list[str] = field(default_factory=list)
    """The study of each row; empty where the data set knows none."""
    truth: Mapping[str, tuple[tuple[int, int], Mapping[str, FloatArray]]] = field(default_factory=dict)
    """Image with a truth box -> its frame, and finding -> boxes in it."""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: NDArray[np.int64]) -> Batch:
        """The batch of the (n,) positions ``index``: (n,S,S) uint8 images and (n,K) labels."""
        return torch.from_numpy(self.images[self.rows[index]]), self.labels[index]


def load(config: TrainConfig, split: str) -> DataSource:
    """The samples of one split, no image decoded yet. Raises ``core.errors`` types for what the data lack.

    ``split`` is train, val or test; preprocessing and partition are those of the flags.
    """
    named = {"img_size": config.img_size, "cache": config.cache_dir, **config.request()}
    return preprocess.of(datasets.load(config.dataset, config.data_root_dir, split, **named), config.preprocess)


def decode(flags: DataFlags, data: DataSource) -> SplitImages:
    """The images of ``data`` that the run uses. Raises ``DataError`` when none is left or too many cannot be read.

    Decoded once to ``img_size`` and kept in the cache; a second call maps the file. Test images are all used, whatever
    ``train_on`` says.
    """
    workers = devices.workers(flags.num_workers)
    pixels = cache.pixels(data, flags.img_size, flags.cache_dir, flags.max_bad_images, workers)
    samples = [data[int(i)] for i in pixels.kept]
    boxed = np.array([bool(sample.boxes) for sample in samples], dtype=bool)
    extra = np.array([EXTRA in sample.meta for sample in samples], dtype=bool)
    train_on = "all" if data.split == "test" else flags.train_on
    rows = np.flatnonzero({"all": np.ones_like(boxed), "boxed": boxed | extra, "unboxed": ~boxed}[train_on])
    if not len(rows):
        chosen = f"--train_on {flags.train_on}, --partition {flags.partition}"
        raise DataError(f"no {data.split} image of {flags.dataset} is left ({chosen})")
    labels = np.stack([samples[i].labels for i in rows])
    if data.split == "train" and np.isnan(labels).all():
        raise DataError(f"no {data.split} image of {flags.dataset} has a known label: {len(rows)} images, all unknown")
    ids = [(samples[i].image_id, samples[i].patient_id, bool(boxed[i])) for i in rows]
    description = {**data.describe, "used": len(rows), "unreadable": len(pixels.bad)}
    log.info("%s: %d images of %d patients", data.split, len(rows), len({patient for _, patient, _ in ids}))
    studies = [str(samples[i].meta["study"]) for i in rows if samples[i].meta.get("study")]
    studies = studies if len(studies) == len(rows) else []
    truth = {samples[i].image_id: (samples[i].frame, samples[i].boxes) for i in rows if boxed[i]}
    return SplitImages(data.findings, pixels.images, rows, torch.from_numpy(labels), ids, description, studies, truth)
