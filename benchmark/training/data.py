"""The images of each split in a memory map, decoded on first use."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from benchmark.training import machine
from core.errors import DataError
from core.flags.data import DataFlags
from datasets.base import Dataset as DataSource
from datasets.columns import Columns
from datasets.io.cache import PixelCache

log = logging.getLogger(__name__)
Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class SplitImages(Dataset[Batch]):
    """The images of one split that the run uses.

    An unreadable training image is replaced by the next readable one, so that all batches have the same size; in other
    splits it is left out. This is the same in all epochs.
    """

    findings: tuple[str, ...]
    pixels: PixelCache
    """All images of the split; ``rows`` selects those of this object."""
    columns: Columns
    """Names and truth of all images of the split."""
    rows: NDArray[np.int64]
    """(n,) positions in ``pixels`` and ``columns``."""
    labels: Tensor
    """(n, K) float32: 0, 1 or nan (unknown)."""
    describe: dict[str, Any]
    """The data set's description of this split, with the number of images left out."""
    split: str = "train"

    @property
    def ids(self) -> list[tuple[str, str, bool]]:
        """(image, patient, has a truth box) of each row."""
        return [self.columns[row] for row in self.rows.tolist()]

    @property
    def studies(self) -> list[str]:
        """The study of each row; empty if the data set has no studies."""
        return [self.columns.studies[row] for row in self.rows.tolist()] if self.columns.studies else []

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: NDArray[np.int64]) -> Batch:
        """Return the batch of the (n,) positions ``index``: (n,S,S) uint8 images and (n,K) labels.

        In training, other images of the batch replace unreadable ones; they are decoded, so nothing waits for them.
        """
        images, readable = self.pixels.read(self.rows[index])
        while self.split == "train" and not readable.any():
            index = (index + 1) % len(self)
            images, readable = self.pixels.read(self.rows[index])
        if not readable.all():
            intact = np.flatnonzero(readable)
            chosen = np.resize(intact, len(readable)) if self.split == "train" else intact  # repeated to fill the batch
            images, index = images[chosen], index[chosen]
        return torch.from_numpy(images), self.labels[index]

    def decode_in_order(self, index: NDArray[np.int64]) -> None:
        """Set the decoding order to that of the positions ``index``; repeats are allowed."""
        _, first = np.unique(index, return_index=True)
        self.pixels.order = self.rows[index[np.sort(first)]]

    def readable(self) -> "SplitImages":
        """Return the split without the images that are known to be unreadable."""
        bad = self.pixels.bad()
        used = np.flatnonzero(~np.isin(self.rows, [*bad]))
        description = {**self.describe, "used": len(used), "unreadable": len(bad)}
        return replace(self, rows=self.rows[used], labels=self.labels[used], describe=description)

    def complete(self) -> "SplitImages":
        """Decode all images; return the split without the unreadable ones. Raises ``DataError`` if none is left."""
        self.pixels.complete()
        split = self.readable()
        if not len(split):
            raise DataError(f"none of the {len(self)} {self.split} images can be read: check the image files")
        return split


Splits = Mapping[str, SplitImages]


def decode(flags: DataFlags, data: DataSource, processes: int = 1) -> SplitImages:
    """Return the images of ``data`` that the run uses, decoded to ``img_size`` on first use.

    All test images are used, whatever ``train_on`` is. The CPUs are shared by ``processes`` processes. Raises
    ``DataError`` if no image is left or too many are known to be unreadable.
    """
    workers = max(machine.workers(flags.num_workers) // processes, 1)
    pixels, columns = PixelCache(data, flags.img_size, flags.cache_dir, flags.max_bad_images, workers), data.columns
    boxed = columns.boxed
    train_on = "all" if data.split == "test" else flags.train_on
    rows = np.flatnonzero({"all": np.ones_like(boxed), "boxed": boxed, "unboxed": ~boxed}[train_on])
    if not len(rows):
        chosen = f"--train_on {flags.train_on}, --partition {flags.partition}"
        raise DataError(f"{flags.dataset} has no {data.split} image with {chosen}: change these flags")
    labels = torch.from_numpy(columns.labels[rows])
    if data.split == "train" and labels.isnan().all():
        raise DataError(f"all labels of the {len(rows)} {data.split} images of {flags.dataset} are unknown")
    split = SplitImages(data.findings, pixels, columns, rows, labels, dict(data.describe), data.split)
    log.info("%s: %d images of %d patients", data.split, len(split), len({patient for _, patient, _ in split.ids}))
    return split
