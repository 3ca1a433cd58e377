"""The speed benchmark of methods."""

import pytest
import torch

from locus import backbones
from locus.core.errors import BadValueError, LocusError
from tools.speed import costs, methods
from tools.speed.methods import CONTENDERS, SCORECAM, TIMED, MethodsConfig, NetworkAtSize
from tools.speed.timing import Time

TINY = MethodsConfig(backbones=("custom",), sizes=(64,), batches=(2,), rounds=1, memory=False, threads=1)


def test_every_contender_is_timed():
    pytest.importorskip("pytorch_grad_cam")
    pytest.importorskip("torchcam")
    _, times, scorecam = methods.report(TINY)
    assert times.count("×)") == len([task for task in TIMED if task[0] in methods.OURS])
    assert all(name in times for name, _ in TIMED)
    assert all(name in scorecam for name in SCORECAM)


def test_a_package_with_another_map_is_not_timed():
    pytest.importorskip("pytorch_grad_cam")
    torch.manual_seed(0)
    _, images = NetworkAtSize("custom", 64, 2).build()
    model = backbones.build("custom", 2, attention_map="FPA").eval()  # the packages use the map before the attention
    with pytest.raises(LocusError, match="grad-cam"):
        methods.check(model, images)


def test_each_size_requires_a_batch_size():
    with pytest.raises(BadValueError, match=r"--sizes has 2 values, --batches 1"):
        next(methods.report(MethodsConfig(sizes=(224, 512), batches=(8,))))


@pytest.mark.byhand
def test_a_package_is_compared_with_the_same_methods_of_locus():
    six, seven = ("grad-cam, six methods", 8), ("Locus, seven methods", 8)
    lines = methods.time_table({NetworkAtSize("custom", 64, 2): {six: Time(100, 1), seven: Time(1.1, 1)}}).splitlines()
    assert lines[2:] == ["| grad-cam, six methods | 8 | 100 (90.9×) |", "| Locus, seven methods | 8 | 1.10 |"]


@pytest.mark.slow
def test_peak_memory_is_that_of_the_call_and_not_of_the_packages():
    task = (next(iter(CONTENDERS)), 0)
    assert methods.memory(NetworkAtSize("custom", 64, 1), task) < 32 < methods.memory(NetworkAtSize("custom", 256, 16), task)


def test_methods_that_do_not_support_a_network_have_no_cost():
    _, found = costs.report(costs.CostsConfig(backbones=("custom",), methods=("cam", "rollout"), rounds=1))
    assert [line.split(" | ")[0] for line in found.splitlines()[2:]] == ["| `cam`"]
