"""Steps of a training: accumulation, moving average, memory format, seeds."""

import pytest
import torch

from locus import backbones
from locus.backbones import weight_files
from locus.benchmark import opening, training
from locus.benchmark.training import module

SMALL = {"dataset": "phantom:train=64,val=16,test=16", "img_size": 32, "optimizer": "SGD", "lr": 0.01, "precision": "32", "epochs": 1}


def kept(folder, file="last.ckpt"):
    return opening.checkpoint(folder / file).content["state_dict"]


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
    assert best.keys() == {name for name in last if name.startswith("model.")}
    assert weight_files.digest(best) == weight_files.digest(mean)
    assert not torch.equal(best["model.head.linear.weight"], last["model.head.linear.weight"])
    assert opening.checkpoint(folder / "best.ckpt").config.ema == 0.5


@pytest.mark.byhand
def test_a_resumed_run_ends_where_an_undisturbed_one_does(tiny, tmp_path):
    flags = {"ema": 0.9, "sampler": "weighted", "accumulate": 2, "preprocess": "jf"}
    whole = training.fit(tiny(**flags), tmp_path / "whole")
    half = training.fit(tiny(epochs=1, **flags), tmp_path / "half")
    again = training.fit(tiny(resume=str(half), **flags), half)
    assert weight_files.digest(kept(whole)) == weight_files.digest(kept(again))
    assert (whole / "predictions.csv").read_bytes() == (again / "predictions.csv").read_bytes()


def test_without_channels_last_a_run_learns_the_same_up_to_rounding(trained):
    flags = {**SMALL, "backbone": "custom", "batch_size": 32}
    first, second = (weights(trained(channels_last=word, **flags)) for word in (True, False))
    assert all(torch.allclose(first[name], second[name], atol=1e-5) for name in first)


@pytest.mark.oracle
def test_a_step_on_the_cpu_is_seeded_as_torch_seeds():
    torch.manual_seed(2**61 + 5)
    wanted = torch.rand(3), torch.randint(9, (3,))
    module._seed(2**61 + 5, torch.device("cpu"))
    assert all(map(torch.equal, wanted, (torch.rand(3), torch.randint(9, (3,)))))
