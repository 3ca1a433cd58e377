"""Batches of a run: their order, the share of each process, weights of their losses, and reading ahead."""

import threading

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from locus.benchmark.training.data import MAX_BATCHES_AHEAD, Batches, PrefetchLoader, balanced_probabilities
from locus.benchmark.training.losses import build as build_loss
from locus.core.errors import DataError


@pytest.mark.byhand
@pytest.mark.parametrize(("size", "accumulate", "lengths"), [(16, 1, [11] * 3), (8, 2, [6] * 3 + [5] * 3)])
def test_an_epoch_has_every_image_once_in_whole_steps_of_nearly_equal_batches(size, accumulate, lengths):
    batches = list(Batches(33, size, seed=0, accumulate=accumulate))
    assert [len(batch) for batch in batches] == lengths
    assert sorted(np.concatenate(batches).tolist()) == list(range(33))


@pytest.mark.byhand
def test_the_order_depends_on_seed_and_epoch_alone_and_is_the_data_s_without_a_seed():
    first, again, other = (Batches(20, 5, seed=seed) for seed in (3, 3, 4))
    list(first)
    for batches in (first, again, other):
        batches.set_epoch(2)
    assert np.array_equal(list(first), list(again))
    assert not np.array_equal(list(first), list(other))
    again.set_epoch(1)
    assert not np.array_equal(list(first), list(again))
    assert np.concatenate(list(Batches(7, 3))).tolist() == list(range(7))


@pytest.mark.byhand
@pytest.mark.parametrize("shares", [None, balanced_probabilities(np.eye(4)[np.arange(41) % 4])], ids=["all", "drawn"])
def test_the_parts_of_a_batch_are_that_batch_and_weigh_as_much_as_their_images(shares):
    whole = Batches(41, 8, seed=0, probabilities=shares)
    first, second = (Batches(41, 4, seed=0, rank=rank, world_size=2, probabilities=shares) for rank in (0, 1))
    assert len(whole) == len(first) == len(second)
    for step, (batch, left, right) in enumerate(zip(whole, first, second, strict=True)):
        assert sorted([*left, *right]) == sorted(batch)
        assert first.loss_weight(step) == pytest.approx(2 * len(left) / len(batch))
        assert second.loss_weight(step) == pytest.approx(2 * len(right) / len(batch))


@pytest.mark.byhand
def test_no_process_and_no_step_is_without_an_image():
    for n in range(3, 12):
        parts = [[len(part) for part in Batches(n, 1, 0, rank, 3)] for rank in range(3)]
        assert min(map(min, parts)) > 0
        assert sum(map(sum, parts)) == n
    with pytest.raises(DataError, match=r"^2 images.* 3 processes.*--devices.*--num_nodes"):
        Batches(2, 1, world_size=3)
    with pytest.raises(DataError, match=r"^3 images.*--accumulate 4\b"):
        Batches(3, 8, accumulate=4)


@pytest.mark.byhand
@pytest.mark.parametrize(("loss", "world", "accumulate"), [("bce", 1, 2), ("bce", 2, 1), ("bce", 2, 3), ("ce", 1, 2)])
def test_accumulated_batches_are_weighted_by_known_labels(loss, world, accumulate):
    """Two of three labels are unknown: the weighted parts' gradients add up to that of the whole step."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.eye(3)[torch.arange(24) % 3] if loss == "ce" else (torch.rand(24, 3, generator=generator) > 0.5).float()
    labels[torch.rand(24, 3, generator=generator) < 0.4] = torch.nan
    logits, mean = torch.randn(24, 3, generator=generator).requires_grad_(), build_loss(loss)
    options = {"accumulate": accumulate, "loss_terms": mean.counted(labels).numpy()}
    parts = [Batches(24, 24 // world // accumulate, 0, rank, world, **options) for rank in range(world)]
    losses = [mean(logits[i], labels[i]) * part.loss_weight(step) for part in parts for step, i in enumerate(part)]
    (whole,) = torch.autograd.grad(mean(logits, labels), logits)
    (summed,) = torch.autograd.grad(sum(losses) / world / accumulate, logits)
    assert torch.allclose(summed, whole, atol=1e-7)


@pytest.mark.byhand
def test_weighted_sampler_balances_classes():
    labels = np.zeros((60, 3), np.float32)
    labels[:40, 0] = labels[40:56, 1] = labels[52:56, 2] = 1  # 40 of the first, 12 of the second, 4 of the third too, 4 of none
    shares = balanced_probabilities(labels)
    assert [shares[part].sum() for part in (slice(40), slice(40, 52), slice(52, 56), slice(56, 60))] == pytest.approx([0.25] * 4)
    batches = Batches(60, 8, seed=1, probabilities=shares)
    epochs = []
    for epoch in range(200):
        batches.set_epoch(epoch)
        epochs.append(np.concatenate(list(batches)))
    assert not np.array_equal(*map(np.sort, epochs[:2]))
    drawn = np.concatenate(epochs)
    assert [(drawn < 40).mean(), (drawn >= 56).mean()] == pytest.approx([0.25] * 2, abs=0.02)


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


def test_an_interrupted_epoch_has_read_no_more_than_the_next_batches_and_leaves_no_thread():
    before, data = threading.active_count(), Numbers()
    batches = iter(ahead(data))
    next(batches)
    batches.close()  # waits for what is under way
    assert data.asked == list(range(1 + MAX_BATCHES_AHEAD))
    assert threading.active_count() == before


def test_errors_of_the_thread_are_raised_at_their_batch():
    batches = iter(ahead(Numbers(broken=3)))
    assert [int(next(batches)[0]) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="the disk is gone"):
        next(batches)
