"""Gathers and averages values over the processes of a distributed run: each image counts once."""

from typing import TypeVar

from torch import Tensor, distributed

T = TypeVar("T")


def gather(parts: list[T]) -> list[T]:
    """The ``parts`` of all processes: the first of each in the order of the ranks, then the second of each.

    A single process gets its own. Batches that ``benchmark.training.data.Batches`` dealt out come back in the order of
    the data.
    """
    if not _several():
        return parts
    each: list[list[T]] = [[]] * distributed.get_world_size()
    distributed.all_gather_object(each, parts)
    return [part for row in zip(*each, strict=True) for part in row]


def mean(values: Tensor) -> Tensor:
    """The mean over the processes, element by element."""
    if not _several():
        return values
    summed = values.clone()
    distributed.all_reduce(summed)
    return summed / distributed.get_world_size()


def _several() -> bool:
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
