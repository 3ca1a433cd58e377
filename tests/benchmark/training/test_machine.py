"""Devices, precision and threads, with and without a GPU."""

import pytest
import torch

from benchmark.training import machine
from config import TrainConfig
from core.errors import BadValueError, NotAvailableError


@pytest.fixture
def gpus(monkeypatch):
    """gpus(n) makes torch see n GPUs (for what asks, not for what computes)."""

    def see(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return see


@pytest.mark.byhand
@pytest.mark.parametrize(
    ("count", "flags", "wanted"),
    [
        (0, {}, 1),
        (0, {"device_ids": "0,1"}, 1),
        (0, {"num_GPU": 4}, 1),
        (0, {"devices": "2"}, 2),
        (2, {}, 1),
        (2, {"devices": "2"}, 2),
        (2, {"device_ids": "0,1"}, [0, 1]),
        (2, {"device_ids": "1"}, [1]),
        (2, {"num_GPU": 2}, 2),
        (2, {"num_GPU": 0}, 1),
    ],
)
def test_the_device_flags_say_how_many_or_which_and_need_no_gpu(gpus, count, flags, wanted):
    gpus(count)
    assert machine.devices(TrainConfig(**flags)) == wanted


@pytest.mark.byhand
def test_more_gpus_than_there_are_is_a_sentence(gpus):
    gpus(2)
    for flags in ({"devices": "3"}, {"device_ids": "0,2"}, {"num_GPU": 4}):
        with pytest.raises(NotAvailableError, match="there are 2"):
            machine.devices(TrainConfig(**flags))
    with pytest.raises(BadValueError, match="'two'"):
        machine.devices(TrainConfig(devices="two"))


@pytest.mark.byhand
def test_the_gpu_is_used_when_there_is_one_and_not_forbidden(gpus):
    gpus(1)
    assert machine.device(TrainConfig()) == "cuda"
    assert machine.device(TrainConfig(num_GPU=0)) == "cpu"
    gpus(0)
    assert machine.device(TrainConfig()) == "cpu"


@pytest.mark.byhand
def test_precision_is_what_was_asked_for_and_else_bfloat16_where_that_is_fast(gpus, monkeypatch):
    gpus(0)
    assert machine.precision(TrainConfig(precision="64")) == "64"
    for able, wanted in (({"avx512_bf16": True}, "bf16-mixed"), ({}, "32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able)
        assert machine.precision(TrainConfig()) == wanted


@pytest.mark.byhand
def test_threads_are_those_of_the_flag():
    before = torch.get_num_threads()
    machine.settle(TrainConfig(threads=3))
    assert torch.get_num_threads() == 3
    torch.set_num_threads(before)
