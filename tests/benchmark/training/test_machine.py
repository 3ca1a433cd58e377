"""Devices, precision and threads, with and without a GPU."""

import pytest
import torch

from benchmark.training import machine
from config import TrainConfig
from core.errors import BadValueError, NotAvailableError


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
def test_the_device_flags_say_how_many_or_which_and_need_no_gpu(count, flags, wanted):
    assert machine.devices(TrainConfig(**flags), count) == wanted


@pytest.mark.byhand
def test_more_gpus_than_there_are_is_a_sentence():
    for flags in ({"devices": "3"}, {"device_ids": "0,2"}, {"num_GPU": 4}):
        with pytest.raises(NotAvailableError, match="there are 2"):
            machine.devices(TrainConfig(**flags), 2)
    with pytest.raises(BadValueError, match="'two'"):
        machine.devices(TrainConfig(devices="two"), 0)


@pytest.mark.byhand
def test_the_gpu_is_used_when_there_is_one_and_not_forbidden():
    assert machine.device(TrainConfig(), 1) == "cuda"
    assert machine.device(TrainConfig(num_GPU=0), 1) == "cpu"
    assert machine.device(TrainConfig(), 0) == "cpu"


@pytest.mark.byhand
def test_precision_is_what_was_asked_for_and_else_bfloat16_where_that_is_fast():
    assert machine.precision(TrainConfig(precision="64"), True) == "64"
    assert machine.precision(TrainConfig(), True) == "bf16-mixed"
    assert machine.precision(TrainConfig(), False) == "32"
    assert isinstance(machine.has_fast_bfloat16("cpu"), bool)


@pytest.mark.byhand
def test_threads_are_those_of_the_flag():
    before = torch.get_num_threads()
    machine.settle(3)
    assert torch.get_num_threads() == 3
    torch.set_num_threads(before)
