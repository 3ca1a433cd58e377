"""Curves in Weights & Biases and MLflow."""

import importlib.util

import pytest

from benchmark.training import loggers, run
from config import TrainConfig
from core.errors import NotAvailableError


@pytest.mark.byhand
@pytest.mark.parametrize("name", loggers.EXTRA)
def test_missing_logger_is_an_error_before_data_is_read(tiny, tmp_path, name):
    if importlib.util.find_spec(name):
        pytest.skip(f"{name} is installed")
    sentence = rf"^--logger {name} requires a package that is not installed: pip install '\.\[{name}\]'$"
    with pytest.raises(NotAvailableError, match=sentence):
        run.train(tiny(logger=("csv", name)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.byhand
def test_csv_is_always_written_and_tensorboard_on_request(tmp_path):
    assert loggers.build(TrainConfig(logger=("csv",)), tmp_path) == []
    assert [type(one).__name__ for one in loggers.build(TrainConfig(logger=("csv", "tensorboard")), tmp_path)] == ["Events"]


@pytest.mark.planted
def test_mlflow_curves_continue_in_a_resumed_run(tiny, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    for epochs in (1, 2):
        run.train(tiny(logger=("csv", "mlflow"), epochs=epochs), tmp_path / "run")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'logs'}/mlflow.db")
    result = client.search_runs([client.get_experiment_by_name("locus").experiment_id])
    assert [one.info.run_name for one in result] == ["run"]
    assert len(client.get_metric_history(result[0].info.run_id, "val_loss")) == 2


@pytest.mark.planted
def test_wandb_keeps_an_offline_run(tiny, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    run.train(tiny(logger=("csv", "wandb")), tmp_path / "run")
    files = list((tmp_path / "logs" / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 1
    assert b"val_loss" in files[0].read_bytes()
