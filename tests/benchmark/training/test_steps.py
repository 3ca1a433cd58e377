"""Accumulated batches, moving average, weighted sampling, memory format."""

import numpy as np
import pytest
import torch

import backbones
from benchmark import training
from benchmark.training import load, module
from benchmark.training.batches import Batches, balanced_probabilities
from benchmark.training.losses import build as build_loss
from core.errors import BadValueError, DataError

SMALL = {"dataset": "phantom:train=64,val=16,test=16", "img_size": 32, "optimizer": "SGD", "lr": 0.01, "precision": "32", "epochs": 1}


def kept(folder, file="last.ckpt"):
    return load.checkpoint(folder / file).content["state_dict"]


def weights(folder, file="last.ckpt"):
    return {name: value for name, value in kept(folder, file).items() if name.startswith("model.") and value.is_floating_point()}


@pytest.mark.oracle
def test_two_batches_of_sixteen_learn_as_one_of_thirty_two(trained):
    """By a network without batch norm, whose gradient is the mean over images."""
    flags = {**SMALL, "backbone": "squeezenet1_1", "epochs": 2, "scheduler": "onecycle"}
    one, two = (trained(batch_size=32 // parts, accumulate=parts, **flags) for parts in (1, 2))
    first, second = weights(one), weights(two)
    start = backbones.build("squeezenet1_1", 8)
    assert all(torch.allclose(first[name], second[name], atol=1e-6) for name in first)
    assert not all(torch.allclose(first[f"model.{name}"], value, atol=1e-3) for name, value in start.state_dict().items())


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
def test_an_epoch_has_whole_steps_of_nearly_equal_batches():
    batches = list(Batches(33, 8, seed=0, accumulate=2))
    assert [len(batch) for batch in batches] == [6, 6, 6, 5, 5, 5]
    assert sorted(np.concatenate(batches).tolist()) == list(range(33))


def test_too_few_images_for_a_step_are_an_error():
    with pytest.raises(DataError, match=r"^3 images.*--accumulate 4\b"):
        Batches(3, 8, accumulate=4)


def averages(folder):
    """The averaged weights in a run's ``last.ckpt``, by the names of the trained ones."""
    return {name.replace("average.module", "model"): value for name, value in kept(folder).items() if "average.module" in name}


@pytest.mark.byhand
def test_the_average_is_the_formula_s(trained):
    """One step an epoch: the weights after each are those of a run that ends there."""
    flags = {**SMALL, "batch_size": 64, "lr": 0.1}
    raw = [weights(trained(**{**flags, "epochs": epochs})) for epochs in (1, 2, 3)]
    folder = trained(ema=0.9, **{**flags, "epochs": 3})
    mean, last = averages(folder), weights(folder)
    for name, (one, two, three) in {name: [item[name] for item in raw] for name in last}.items():
        assert torch.equal(last[name], three)
        assert torch.allclose(mean[name], 0.9 * (0.9 * one + 0.1 * two) + 0.1 * three, rtol=1e-5, atol=1e-6)


def test_moving_average_is_saved_and_evaluated(tiny):
    folder = training.fit(tiny(ema=0.5, **{**SMALL, "batch_size": 16, "lr": 0.1}))
    best, mean, last = kept(folder, "best.ckpt"), averages(folder), kept(folder)
    assert best.keys() == mean.keys() == {name for name in last if name.startswith("model.")}
    assert all(torch.equal(best[name], mean[name]) for name in best)
    assert not torch.equal(best["model.head.linear.weight"], last["model.head.linear.weight"])
    assert load.checkpoint(folder / "best.ckpt").config.ema == 0.5


@pytest.mark.byhand
def test_a_resumed_run_ends_where_an_undisturbed_one_does(tiny, tmp_path):
    flags = {"ema": 0.9, "sampler": "weighted", "accumulate": 2, "preprocess": "jf"}
    whole = training.fit(tiny(**flags), tmp_path / "whole")
    half = training.fit(tiny(epochs=1, **flags), tmp_path / "half")
    again = training.fit(tiny(resume=str(half), **flags), half)
    first, second = kept(whole), kept(again)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (whole / "predictions.csv").read_bytes() == (again / "predictions.csv").read_bytes()


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
    assert (drawn < 40).mean() == pytest.approx(0.25, abs=0.02)
    assert (drawn >= 56).mean() == pytest.approx(0.25, abs=0.02)


@pytest.mark.byhand
def test_two_processes_draw_what_one_does_with_twice_the_batch():
    shares = balanced_probabilities(np.eye(4, dtype=np.float32)[np.arange(20) % 4])
    whole = list(Batches(20, 8, seed=2, probabilities=shares))
    parts = [list(Batches(20, 4, seed=2, rank=rank, world_size=2, probabilities=shares)) for rank in (0, 1)]
    for batch, *shared in zip(whole, *parts, strict=True):
        assert sorted(batch.tolist()) == sorted(np.concatenate(shared).tolist())


def test_without_channels_last_a_run_learns_the_same_up_to_rounding(trained):
    flags = {**SMALL, "backbone": "custom", "batch_size": 32}
    first, second = (weights(trained(channels_last=word, **flags)) for word in (True, False))
    assert all(torch.allclose(first[name], second[name], atol=1e-5) for name in first)


def test_zero_decay_has_no_average():
    assert module.moving_average(backbones.build("custom", 2), 0.0) is None


def test_unsuitable_loss_lists_suitable_ones(tiny):
    sentence = (
        "^--loss ce does not fit independent findings: "
        r"use one of batch_pos_weight, bce, focal, frequency, pos_weight, weighted_bce$"
    )
    with pytest.raises(BadValueError, match=sentence):
        training.fit(tiny(loss="ce"))
