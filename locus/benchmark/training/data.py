"""Images of each split, and batches of them.

``SplitImages``     the images of a split in a memory map, decoded on first use (``decode``)
``Batches``         positions of images in seeded order, the same for a resumed run
``PrefetchLoader``  reads the next batches while the network computes; ``loaders`` makes those of a training run

Samples are listed by ``datasets.load_split``, decoded by ``locus.datasets.io``.
"""

import logging
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed
from torch.utils.data import DataLoader, Dataset, Sampler

from locus.benchmark.training import hardware
from locus.config import DataFlags, RecipeFlags
from locus.core import types
from locus.core.errors import DataError
from locus.datasets.base import Columns
from locus.datasets.base import Dataset as DataSource
from locus.datasets.io.cache import PixelCache

log = logging.getLogger(__name__)
Batch = tuple[Tensor, Tensor]
T = TypeVar("T")
MAX_BATCHES_AHEAD = 2
"""Maximum number of batches read ahead."""


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
        return (
            [self.columns.studies[row] for row in self.rows.tolist()]
            if self.columns.studies
            else []
        )

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
            chosen = (
                np.resize(intact, len(readable)) if self.split == "train" else intact
            )  # repeated to fill the batch
            images = images[chosen]
            index = index[chosen]
        return torch.from_numpy(images), self.labels[index]

    def decode_in_order(self, index: NDArray[np.int64]) -> None:
        """Set the decoding order to that of the positions ``index``; repeats are allowed."""
        _, first = np.unique(index, return_index=True)
        self.pixels.order = self.rows[index[np.sort(first)]]

    def readable(self) -> "SplitImages":
        """Return the split without the images that are known to be unreadable."""
        self.pixels.report()
        bad = self.pixels.bad()
        used = np.flatnonzero(~np.isin(self.rows, [*bad]))
        description = {**self.describe, "used": len(used), "unreadable": len(bad)}
        return replace(self, rows=self.rows[used], labels=self.labels[used], describe=description)

    def complete(self) -> "SplitImages":
        """Decode all images; return the split without the unreadable ones. Raises ``DataError`` if none is left."""
        self.pixels.complete()
        split = self.readable()
        if not len(split):
            raise DataError(
                f"none of the {len(self)} {self.split} images can be read: check the image files"
            )
        return split


Splits = Mapping[str, SplitImages]


def decode(flags: DataFlags, data: DataSource, processes: int = 1) -> SplitImages:
    """Return the images of ``data`` that the run uses, decoded to ``img_size`` on first use.

    All test images are used, whatever ``train_on`` is. The CPUs are shared by ``processes`` processes. Raises
    ``DataError`` if no image is left or too many are known to be unreadable.
    """
    workers = max(hardware.workers(flags.num_workers) // processes, 1)
    pixels = PixelCache(
        data,
        size=flags.img_size,
        folder=flags.cache_dir,
        max_bad=flags.max_bad_images,
        workers=workers,
    )
    columns = data.columns
    boxed = columns.boxed
    train_on = "all" if data.split == "test" else flags.train_on
    rows = np.flatnonzero({"all": np.ones_like(boxed), "boxed": boxed, "unboxed": ~boxed}[train_on])
    if not len(rows):
        chosen = f"--train_on {flags.train_on}, --partition {flags.partition}"
        raise DataError(
            f"{flags.dataset} has no {data.split} image with {chosen}: change these flags"
        )
    labels = torch.from_numpy(columns.labels[rows])
    if data.split == "train" and labels.isnan().all():
        raise DataError(
            f"all labels of the {len(rows)} {data.split} images of {flags.dataset} are unknown"
        )
    split = SplitImages(
        findings=data.findings,
        pixels=pixels,
        columns=columns,
        rows=rows,
        labels=labels,
        describe=dict(data.describe),
        split=data.split,
    )
    log.info(
        "%s: %d images of %d patients",
        data.split,
        len(split),
        len({patient for _, patient, _ in split.ids}),
    )
    return split


@dataclass(eq=False)
class Batches(Sampler[NDArray[np.int64]]):
    """Positions of ``n`` images in batches of nearly equal size, shuffled per epoch.

    The order depends only on seed and epoch, so a resumed run has the same batches as an uninterrupted one. Each of
    ``world_size`` processes takes its part of a batch that is ``world_size`` times larger.
    """

    n: int
    size: int
    seed: int | None = None
    """None keeps the order of the data."""
    rank: int = 0
    world_size: int = 1
    accumulate: int = 1
    """Batches per optimizer step; an epoch has complete steps only."""
    probabilities: NDArray[np.float64] | None = None
    """(n,) probability of each image; ``n`` images are then drawn with replacement."""
    loss_terms: NDArray[np.int64] | None = None
    """(n,) number of loss terms of each image; None: one each."""
    epoch: int = 0

    def __post_init__(self) -> None:
        """Raise ``DataError`` if there are fewer images than one step needs."""
        few = f"{self.n} images are too few for"
        if self.n < self.world_size:
            raise DataError(f"{few} {self.world_size} processes: lower --devices or --num_nodes")
        if self.n < self.world_size * self.accumulate:
            raise DataError(
                f"{few} --accumulate {self.accumulate} on each process: lower --accumulate"
            )
        self._of_epoch: tuple[int, list[NDArray[np.int64]]] | None = None

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; Lightning calls this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        micro_batches = self.world_size * self.accumulate
        # a process never has an empty part
        return (
            min(-(-self.n // (self.size * micro_batches)), self.n // micro_batches)
            * self.accumulate
        )

    def loss_weight(self, batch_idx: int) -> float:
        """Return the weight of this process's part of batch ``batch_idx`` in the loss of the optimizer step.

        With it, all terms of the loss have the same weight; otherwise all processes and accumulated batches would have
        the same weight, whatever their number of known labels.
        """
        first = batch_idx - batch_idx % self.accumulate
        step = self._batches()[first : first + self.accumulate]
        batches_of_ranks = [np.array_split(batch, self.world_size) for batch in step]
        terms = np.ones(self.n, np.int64) if self.loss_terms is None else self.loss_terms
        all_terms = sum(int(terms[batch].sum()) for batch in step)
        own_terms = int(terms[batches_of_ranks[batch_idx - first][self.rank]].sum())
        return own_terms * self.world_size * self.accumulate / all_terms if all_terms else 1.0

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        for batch in self._batches():
            # sorted, so that neighbours in the memory map are read together
            yield np.sort(np.array_split(batch, self.world_size)[self.rank])

    def _order(self) -> NDArray[np.int64]:
        """Return the images of this epoch in order: as listed, shuffled, or drawn with their probabilities."""
        if self.seed is None:
            return np.arange(self.n)
        generator = types.generator(self.seed, "order", self.epoch)
        if self.probabilities is None:
            return generator.permutation(self.n)
        return generator.choice(self.n, self.n, p=self.probabilities)

    def _batches(self) -> list[NDArray[np.int64]]:
        """Return the batches of the epoch for all processes together."""
        if self._of_epoch is None or self._of_epoch[0] != self.epoch:
            self._of_epoch = self.epoch, np.array_split(self._order(), len(self))
        return self._of_epoch[1]


def balanced_probabilities(labels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the (n,) sampling probabilities with which all classes are equally frequent, from (n,K) 0, 1 or nan.

    The class of an image is its rarest positive finding, or "none"; with one label per image it is that label.

    >>> balanced_probabilities(np.array([[1, 0], [1, 0], [0, 1]], np.float32)).tolist()
    [0.25, 0.25, 0.5]
    """
    positive = labels == 1
    rarest = np.where(positive, positive.sum(0), len(labels) + 1).argmin(1)
    classes = np.where(positive.any(1), rarest, labels.shape[1])
    _, which, sizes = np.unique(classes, return_inverse=True, return_counts=True)
    weights = 1 / sizes[which].astype(np.float64)
    return weights / weights.sum()


class PrefetchLoader(DataLoader[T]):
    """A data loader that reads the next batches in a thread while the network computes, in the same order.

    Its sampler gives whole batches: ``batch_size`` is None. A thread is faster than processes here, because a memory
    map is sliced, not sent. If this process uses a GPU, the batches are in pinned memory.
    """

    def __iter__(self) -> Any:
        """Iterate over the batches; raises the errors of the thread."""
        self.pin_memory = torch.cuda.is_initialized()
        # memory is pinned for the GPU of the thread, by default the first one
        begin = (torch.cuda.set_device, (torch.cuda.current_device(),)) if self.pin_memory else ()
        batches = super().__iter__()
        with ThreadPoolExecutor(1, "batches", *begin) as thread:
            waiting = deque(thread.submit(next, batches, None) for _ in range(MAX_BATCHES_AHEAD))
            while (batch := waiting.popleft().result()) is not None:
                waiting.append(thread.submit(next, batches, None))
                yield batch


def loaders(
    recipe: RecipeFlags, splits: Splits, loss_terms: Tensor, rank: int, world_size: int, epoch: int
) -> tuple[PrefetchLoader[Batch], PrefetchLoader[Batch]]:
    """Return the loaders of training and validation images for one process; images are decoded in epoch order.

    Args:
        recipe: sampler, batch size and seed.
        splits: ``train`` and ``val``.
        loss_terms: (n,) number of loss terms of each training image.
        rank: number of the process.
        world_size: number of processes.
        epoch: epoch at which training starts.
    """
    images = splits["train"]
    val = splits["val"]
    probabilities = (
        balanced_probabilities(images.labels.numpy()) if recipe.sampler == "weighted" else None
    )
    drawn = recipe.accumulate, probabilities, loss_terms.numpy(), epoch
    train = Batches(len(images), recipe.batch_size, recipe.seed, rank, world_size, *drawn)
    images.decode_in_order(np.concatenate([*train]))
    in_order = Batches(len(val), recipe.batch_size, rank=rank, world_size=world_size)
    train_loader = PrefetchLoader(images, sampler=train, batch_size=None)
    return train_loader, PrefetchLoader(val, sampler=in_order, batch_size=None)


def all_gather_lists(items: list[T]) -> list[T]:
    """Return the ``items`` of all processes: the first item of each rank, then the second of each, and so on.

    Items distributed by ``Batches`` are then in the order of the data. A single process gets ``items`` unchanged.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return items
    items_by_rank: list[list[T]] = [[]] * distributed.get_world_size()
    distributed.all_gather_object(items_by_rank, items)
    return [item for items_of_ranks in zip(*items_by_rank, strict=True) for item in items_of_ranks]
