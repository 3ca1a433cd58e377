"""What a run learns from: each split's decoded images in a memory map, and batches in an order that a seed fixes."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

import datasets
from benchmark.training import devices
from benchmark.training.prefetch import PrefetchLoader
from config import TrainConfig
from core import seeds
from core.errors import DataError
from core.flags.data import DataFlags
from core.types import FloatArray
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
    description: dict[str, Any]
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
    train_on = "all" if data.split == "test" else flags.train_on
    rows = np.flatnonzero({"all": np.ones_like(boxed), "boxed": boxed, "unboxed": ~boxed}[train_on])
    if not len(rows):
        chosen = f"--train_on {flags.train_on}, --partition {flags.partition}"
        raise DataError(f"no {data.split} image of {flags.dataset} is left ({chosen})")
    labels = np.stack([samples[i].labels for i in rows])
    if data.split == "train" and np.isnan(labels).all():
        raise DataError(f"no {data.split} image of {flags.dataset} has a known label: {len(rows)} images, all unknown")
    ids = [(samples[i].image_id, samples[i].patient_id, bool(boxed[i])) for i in rows]
    description = {**data.description, "used": len(rows), "unreadable": len(pixels.bad)}
    log.info("%s: %d images of %d patients", data.split, len(rows), len({patient for _, patient, _ in ids}))
    studies = [str(samples[i].meta["study"]) for i in rows if samples[i].meta.get("study")]
    studies = studies if len(studies) == len(rows) else []
    truth = {samples[i].image_id: (samples[i].frame, samples[i].boxes) for i in rows if boxed[i]}
    return SplitImages(data.findings, pixels.images, rows, torch.from_numpy(labels), ids, description, studies, truth)


class Batches(Sampler[NDArray[np.int64]]):
    """Positions of ``n`` images in batches of nearly equal size (none of one image by chance), shuffled per epoch.

    The order depends on seed and epoch alone, so a resumed run sees what an undisturbed one would have seen. Each of
    ``world`` processes takes its part of every batch of one process with ``world`` times the size.
    """

    def __init__(
        self,
        n: int,
        size: int,
        seed: int | None = None,
        rank: int = 0,
        world: int = 1,
        start: tuple[int, int] = (0, 0),
        accumulate: int = 1,
        shares: NDArray[np.float64] | None = None,
        counted: NDArray[np.int64] | None = None,
    ) -> None:
        """``seed`` None keeps the order of the data; ``start``: an epoch, and how many of its batches are behind us.

        ``accumulate``: batches that make one step together; an epoch has whole steps. ``shares``: (n,) how likely each
        image is drawn; ``n`` of them are then drawn with replacement. ``counted``: (n,) terms of the loss's mean that
        each image has; one without it. Raises ``DataError`` for fewer images than one step needs.
        """
        if world <= n < world * accumulate:
            short = f"{n} images are too few for --accumulate {accumulate}, one for each of a step's batches"
            raise DataError(f"{short}: lower it")
        if n < world:
            short = f"{n} images are too few for {world} processes, one for each in every step"
            raise DataError(f"{short}: lower --devices or --num_nodes")
        self.n, self.size, self.seed, self.rank, self.world, self.start = n, size, seed, rank, world, start
        self.epoch, self.accumulate, self.shares = 0, accumulate, shares
        self.counted = np.ones(n, np.int64) if counted is None else counted
        self._of_epoch: tuple[int, list[NDArray[np.int64]]] | None = None

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        step = self.world * self.accumulate
        # a process never has an empty part
        return min(-(-self.n // (self.size * step)), self.n // step) * self.accumulate

    def weight(self, step: int) -> float:
        """The factor by which the loss of this process's part of batch ``step`` counts in the optimizer's step.

        Every term of the loss then counts alike; without it every process and every accumulated batch would, however
        many labels it knows.
        """
        first = step - step % self.accumulate
        batches = [np.array_split(whole, self.world) for whole in self._batches()[first : first + self.accumulate]]
        whole = sum(int(self.counted[part].sum()) for parts in batches for part in parts)
        counted = int(self.counted[batches[step - first][self.rank]].sum())
        return counted * self.world * self.accumulate / whole if whole else 1.0

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        behind = self.start[1] if self.start[0] == self.epoch else 0
        for whole in self._batches()[behind:]:
            # neighbours in the memory map are read together
            yield np.sort(np.array_split(whole, self.world)[self.rank])

    def _order(self) -> NDArray[np.int64]:
        if self.seed is None:
            return np.arange(self.n)
        generator = seeds.generator(self.seed, "order", self.epoch)
        return generator.permutation(self.n) if self.shares is None else generator.choice(self.n, self.n, p=self.shares)

    def _batches(self) -> list[NDArray[np.int64]]:
        """The batches of the epoch, of all processes together."""
        if self._of_epoch is None or self._of_epoch[0] != self.epoch:
            self._of_epoch = self.epoch, np.array_split(self._order(), len(self))
        return self._of_epoch[1]


def loader(data: SplitImages, batches: Batches) -> DataLoader[Batch]:
    """Batches of ``data``, read ahead by a thread: to slice a memory map costs less than to send it to a process.

    Batches are (images (N,S,S) uint8, labels (N,K) float32), in the order of ``batches``.
    """
    return PrefetchLoader(data, sampler=batches, batch_size=None)
