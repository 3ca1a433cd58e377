"""Gathers values over the processes of a distributed run: each image counts once."""

from typing import TypeVar

from torch import distributed

T = TypeVar("T")


def gather(parts: list[T]) -> list[T]:
    """The ``parts`` of all processes: the first of each in the order of the ranks, then the second of each.

    A single process gets its own. Batches that ``benchmark.training.data.Batches`` dealt out come back in the order of
    the data.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return parts
    each: list[list[T]] = [[]] * distributed.get_world_size()
    distributed.all_gather_object(each, parts)
    return [part for row in zip(*each, strict=True) for part in row]
