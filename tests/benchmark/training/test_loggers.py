"""Curves in TensorBoard and Weights & Biases."""

import importlib.util

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchmark.training import run
from core.errors import NotAvailableError


@pytest.mark.byhand
def test_missing_logger_is_an_error_before_data_is_read(tiny, tmp_path):
    if importlib.util.find_spec("wandb"):
        pytest.skip("wandb is installed")
    sentence = r"^--logger wandb requires a package that is not installed: pip install '\.\[wandb\]'$"
    with pytest.raises(NotAvailableError, match=sentence):
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
