"""Batches of images: seeded order, sampling probabilities, and reading ahead."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed
from torch.utils.data import DataLoader, Sampler

from core import seeds
from core.errors import DataError

T = TypeVar("T")
DEPTH = 2
"""Maximum number of batches read ahead."""


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
    start: tuple[int, int] = (0, 0)
    """Epoch, and number of its batches that are already done."""
    accumulate: int = 1
    """Batches per optimizer step; an epoch has complete steps only."""
    probabilities: NDArray[np.float64] | None = None
    """(n,) probability of each image; ``n`` images are then drawn with replacement."""
    loss_terms: NDArray[np.int64] | None = None
    """(n,) number of loss terms of each image; None: one each."""
    epoch: int = 0

    def __post_init__(self) -> None:
        """Raise ``DataError`` if there are fewer images than one step needs."""
        if self.world_size <= self.n < self.world_size * self.accumulate:
            raise DataError(
                f"{self.n} images are too few for --accumulate {self.accumulate} on each process: lower --accumulate"
            )
        if self.n < self.world_size:
            raise DataError(
                f"{self.n} images are too few for {self.world_size} processes: lower --devices or --num_nodes"
            )
        self._of_epoch: tuple[int, list[NDArray[np.int64]]] | None = None

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; Lightning calls this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        parts = self.world_size * self.accumulate
        # a process never has an empty part
        return min(-(-self.n // (self.size * parts)), self.n // parts) * self.accumulate

    def loss_weight(self, batch_idx: int) -> float:
        """Return the weight of this process's part of batch ``batch_idx`` in the loss of the optimizer step.

        With it, all terms of the loss have the same weight; otherwise all processes and accumulated batches would have
        the same weight, whatever their number of known labels.
        """
        first = batch_idx - batch_idx % self.accumulate
        step = self._batches()[first : first + self.accumulate]
        parts = [np.array_split(batch, self.world_size) for batch in step]
        terms = np.ones(self.n, np.int64) if self.loss_terms is None else self.loss_terms
        all_terms = sum(int(terms[batch].sum()) for batch in step)
        own_terms = int(terms[parts[batch_idx - first][self.rank]].sum())
        return own_terms * self.world_size * self.accumulate / all_terms if all_terms else 1.0

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        skipped = self.start[1] if self.start[0] == self.epoch else 0
        for batch in self._batches()[skipped:]:
            # sorted, so that neighbours in the memory map are read together
            yield np.sort(np.array_split(batch, self.world_size)[self.rank])

    def _order(self) -> NDArray[np.int64]:
        """Return the images of this epoch in order: as listed, shuffled, or drawn with their probabilities."""
        if self.seed is None:
            return np.arange(self.n)
        generator = seeds.generator(self.seed, "order", self.epoch)
        return (
            generator.permutation(self.n)
            if self.probabilities is None
            else generator.choice(self.n, self.n, p=self.probabilities)
        )

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
            waiting = deque(thread.submit(next, batches, None) for _ in range(DEPTH))
            while (batch := waiting.popleft().result()) is not None:
                waiting.append(thread.submit(next, batches, None))
                yield batch


def all_gather_lists(parts: list[T]) -> list[T]:
    """Return the ``parts`` of all processes: the first part of each rank, then the second of each, and so on.

    Parts distributed by ``Batches`` are then in the order of the data. A single process gets ``parts`` unchanged.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return parts
    parts_by_rank: list[list[T]] = [[]] * distributed.get_world_size()
    distributed.all_gather_object(parts_by_rank, parts)
    return [part for row in zip(*parts_by_rank, strict=True) for part in row]
