"""The thread that reads batches ahead."""

import threading

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from benchmark.training.batches import DEPTH, PrefetchLoader


class Numbers(Dataset):
    """Batch i holds i; ``asked`` remembers which were read."""

    def __init__(self, broken: int = -1) -> None:
        self.broken, self.asked = broken, []

    def __getitem__(self, index):
        if index == self.broken:
            raise OSError("the disk is gone")
        self.asked.append(index)
        return torch.tensor([index]), threading.current_thread().name

    def __len__(self) -> int:
        return 9


def ahead(data: Dataset) -> PrefetchLoader:
    return PrefetchLoader(data, sampler=np.arange(9).tolist(), batch_size=None)


def test_batches_come_in_order_from_another_thread_in_every_epoch():
    loader = ahead(Numbers())
    for _ in range(2):
        batches = list(loader)
        assert [int(value) for value, _ in batches] == list(range(9))
        assert {name for _, name in batches} != {threading.current_thread().name}


def test_the_next_batches_are_read_while_one_is_used_and_no_more_of_them():
    data = Numbers()
    batches = iter(ahead(data))
    next(batches)
    batches.close()  # waits for what is under way
    assert data.asked == list(range(1 + DEPTH))


def test_errors_of_the_thread_are_raised_at_their_batch():
    batches = iter(ahead(Numbers(broken=3)))
    assert [int(next(batches)[0]) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="the disk is gone"):
        next(batches)


def test_interrupted_epoch_leaves_no_thread():
    before = threading.active_count()
    for _ in ahead(Numbers()):
        break
    assert threading.active_count() == before
