"""Devices, precision and threads, with and without a GPU."""

import logging
import os

import pytest
import torch
from lightning.pytorch import Callback

from locus.benchmark.training import hardware, run
from locus.config import TrainConfig
from locus.core.errors import BadValueError, NotAvailableError

pytestmark = pytest.mark.byhand


@pytest.fixture
def machine_with(monkeypatch):
    """machine_with(n): torch finds n GPUs."""
    return lambda count: monkeypatch.setattr(hardware, "gpus", lambda: count)


@pytest.mark.parametrize(
    ("count", "flags", "wanted"),
    [
        (0, {}, [0]),
        (0, {"devices": "2"}, [0, 1]),
        (2, {"accelerator": "cpu"}, [0]),
        (2, {"accelerator": "cpu", "devices": "3"}, [0, 1, 2]),
        (2, {}, [0]),
        (2, {"devices": "2"}, [0, 1]),
        (2, {"devices": "0,1"}, [0, 1]),
        (2, {"devices": "1,"}, [1]),
    ],
)
def test_the_device_flags_say_how_many_or_which_and_need_no_gpu(machine_with, count, flags, wanted):
    machine_with(count)
    assert hardware.device_indices(TrainConfig(**flags)) == wanted


@pytest.mark.parametrize(
    ("count", "flags", "facts"),
    [
        (2, {"devices": "3"}, "^--devices 3 requires 3 GPUs, but there are 2"),
        (2, {"devices": "0,2"}, "^--devices 0,2 requires 3 GPUs, but there are 2"),
        (0, {"accelerator": "gpu"}, "^--accelerator gpu requires a GPU"),
    ],
    ids=str,
)
def test_more_gpus_than_available_is_an_error(machine_with, count, flags, facts):
    machine_with(count)
    with pytest.raises(NotAvailableError, match=facts):
        hardware.check_flags(TrainConfig(**flags))


def test_half_precision_on_the_cpu_is_an_error(machine_with):
    machine_with(1)
    hardware.check_flags(TrainConfig(precision="16-mixed", strategy="ddp"))
    machine_with(0)
    with pytest.raises(BadValueError, match=r"--precision 16-mixed.*GPU.*bf16-mixed, 32 "):
        hardware.check_flags(TrainConfig(precision="16-mixed"))


def test_unsuitable_strategy_is_an_error(tmp_path):
    with pytest.raises(BadValueError, match=r"--strategy fsdp.*--strategy auto$"):
        run.build_trainer(TrainConfig(strategy="fsdp", accelerator="cpu", logger=("csv",)), tmp_path, Callback())


def test_a_run_on_several_machines_says_what_it_waits_for(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        run.build_trainer(TrainConfig(num_nodes=2, accelerator="cpu", logger=("csv",)), tmp_path, Callback())
    assert "waiting for 2 machines: start this command on each of them, with MASTER_ADDR, MASTER_PORT and NODE_RANK (0 to 1)" in caplog.text


def test_the_gpu_is_used_when_there_is_one_and_not_forbidden(machine_with):
    machine_with(1)
    assert hardware.device_type(TrainConfig()) == "cuda"
    assert hardware.device_type(TrainConfig(accelerator="cpu")) == "cpu"
    machine_with(0)
    assert hardware.device_type(TrainConfig()) == "cpu"


def test_threads_are_those_of_the_flag_and_too_many_threads_or_processes_are_refused():
    before = torch.get_num_threads()
    hardware.configure_torch(3)
    assert torch.get_num_threads() == 3
    torch.set_num_threads(before)
    for flag, check in (("--threads", hardware.configure_torch), ("--num_workers", hardware.workers)):
        with pytest.raises(BadValueError, match=rf"{flag} 5000\b.* {os.cpu_count()} .* \d+ "):
            check(5000)
