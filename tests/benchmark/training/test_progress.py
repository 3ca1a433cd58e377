"""Messages and curves of a run: machine, speed, time left; TensorBoard and Weights & Biases."""

import importlib.util
import logging
import re

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from locus.benchmark.training import hardware, run
from locus.config import TrainConfig
from locus.core.errors import NotAvailableError


@pytest.mark.byhand
def test_missing_logger_is_an_error_before_data_is_read(tiny, tmp_path):
    if importlib.util.find_spec("wandb"):
        pytest.skip("wandb is installed")
    with pytest.raises(NotAvailableError, match=r"--logger wandb.*pip install 'locus-cxr\[wandb\]'"):
        run.train(tiny(logger=("csv", "wandb")), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.planted
def test_tensorboard_curves_continue_in_a_resumed_run(tiny, tmp_path):
    for epochs in (1, 2):
        history = run.train(tiny(logger=("csv", "tensorboard"), epochs=epochs), tmp_path / "run")
    curves = EventAccumulator(str(tmp_path / "logs" / "run")).Reload().Scalars("val_loss")
    assert [row.value for row in curves] == pytest.approx([row["val_loss"] for row in history])


@pytest.mark.planted
def test_wandb_keeps_an_offline_run(tiny, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    run.train(tiny(logger=("csv", "wandb")), tmp_path / "run")
    wandb.finish()
    files = list((tmp_path / "logs" / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 1
    assert b"val_loss" in files[0].read_bytes()


@pytest.mark.planted
def test_each_epoch_is_a_line_with_images_per_second_and_the_time_left(tiny, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        run.train(tiny(), tmp_path / "run")
    assert sum(line.startswith("device: ") for line in caplog.messages) == 1
    output = [line for line in caplog.messages if line.startswith("epoch ")]
    for k, line in enumerate(output, start=1):
        assert re.search(rf"^epoch {k} of 2: training loss .*; [1-9]\d* images/s, \d+:\d\d:\d\d left$", line)
    assert len(output) == 2
    assert output[1].endswith("0:00:00 left")


@pytest.mark.byhand
def test_one_line_says_what_a_run_computes_on():
    hardware.configure_torch(1)
    summary = hardware.summary(TrainConfig(accelerator="cpu", devices="2", precision="32"), 3)
    assert re.fullmatch(r"device: CPU.*; precision: 32; threads: 1; decoding processes: 3; processes: 2", summary)
