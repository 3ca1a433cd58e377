"""Prefetching: a thread reads the next batches while the network computes."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader

T = TypeVar("T")
DEPTH = 2
"""Batches that wait at most."""


class PrefetchLoader(DataLoader[T]):
    """A data loader whose next batches a thread reads while the network computes; the thread keeps their order.

    Where this process uses a GPU they wait in pinned memory, from which the GPU copies without the host's help.
    """

    def __iter__(self) -> Any:
        """The batches; what goes wrong in the thread is raised here."""
        self.pin_memory = torch.cuda.is_initialized()
        return _prefetched(super().__iter__(), ThreadPoolExecutor(1, "batches", *_on_this_gpu(self.pin_memory)))


def _prefetched(batches: Iterator[T], thread: ThreadPoolExecutor) -> Iterator[T]:
    with thread:
        waiting = deque(thread.submit(next, batches, None) for _ in range(DEPTH))
        while (batch := waiting.popleft().result()) is not None:
            waiting.append(thread.submit(next, batches, None))
            yield batch


def _on_this_gpu(pinned: bool) -> tuple[Any, ...]:
    """How the thread begins: memory is pinned for the thread's GPU, which is the first one unless it is told."""
    return (torch.cuda.set_device, (torch.cuda.current_device(),)) if pinned else ()
