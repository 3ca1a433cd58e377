"""A complete training run on a tiny phantom."""

import csv
import dataclasses
import json
import multiprocessing
import os
import shutil
import signal
import time

import numpy as np
import pytest

from locus.backbones import Classifier
from locus.benchmark import opening, training
from locus.benchmark.training import data, evaluate
from locus.benchmark.training.epochs import best_epoch, kept_epoch, stopped_early
from locus.benchmark.training.run import prepare
from locus.core.errors import BadValueError, DataError, LocusError, NotAvailableError
from locus.datasets import load_split

BOTH = "^--lse_gamma 3.0 and --global_pool LSE:gamma=5 cannot be combined: leave --lse_gamma out$"
ONE_OF = "use one of batch_pos_weight, bce, focal, frequency, pos_weight, weighted_bce$"


def killed(config, folder, epochs):
    """Run in a process of its own and SIGKILL it in the epoch after ``epochs``."""
    process = multiprocessing.get_context("fork").Process(target=training.fit, args=(config, folder))
    process.start()
    table = folder / "metrics.csv"
    while process.is_alive() and not (table.exists() and len(table.read_text().splitlines()) > epochs):
        time.sleep(0.002)
    time.sleep(0.03)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.byhand
@pytest.mark.parametrize(
    "recipe",
    [
        {"optimizer": "AdamW", "scheduler": "onecycle", "augment": "light", "dropout": 0.3, "epochs": 5},
        pytest.param(
            {"optimizer": "SGD", "scheduler": "plateau", "global_pool": "AVG", "early_stopping": 4, "lr": 1e-8}, marks=pytest.mark.slow
        ),
    ],
    ids=["onecycle", "plateau"],
)
def test_a_killed_and_resumed_run_has_the_same_weights_as_an_undisturbed_one(tiny, tmp_path, recipe):
    config = tiny(**{"epochs": 8, **recipe})
    training.fit(config, tmp_path / "whole")
    killed(config, tmp_path / "killed", 3)
    assert not (tmp_path / "killed" / "metrics.json").exists()
    (tmp_path / "killed" / ".last.ckpt.part").write_text("what a kill in the middle of writing leaves")
    training.fit(config, tmp_path / "killed")
    for name in ("best.ckpt", "last.ckpt"):
        assert opening.checkpoint(tmp_path / "whole" / name).digest == opening.checkpoint(tmp_path / "killed" / name).digest
    assert {path.name for path in (tmp_path / "killed").iterdir()} == {path.name for path in (tmp_path / "whole").iterdir()}
    for name in ("metrics.csv", "predictions.csv", "config.yaml"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()


@pytest.fixture(scope="module")
def run(tiny_in, tmp_path_factory):
    """One finished run of three epochs with dropout, in a folder that tests only read."""
    folder = tmp_path_factory.mktemp("run")
    flags = {"epochs": 3, "dropout": 0.5, "lr": 0.02, "batch_size": 32, "logger": ["csv", "tensorboard"], "plots": True}
    return training.fit(tiny_in(folder, **flags), folder / "run")


@pytest.mark.parametrize(
    ("flags", "doubtful"), [({}, True), ({"keep": "last"}, False), ({"dataset": "phantom:train=8,val=100,test=8"}, False)]
)
def test_few_validation_images_give_a_warning(tiny, tmp_path, caplog, flags, doubtful):
    prepare(tiny(**flags), tmp_path / "run")
    assert ("selected on only 24 validation images" in caplog.text) is doubtful


@pytest.mark.commands
def test_run_writes_its_files_and_no_temporary_ones(run):
    names = {"best.ckpt", "last.ckpt", "config.yaml", "provenance.json", "metrics.csv", "metrics.json", "predictions.csv", "curves.png"}
    pictures = {"roc.png", "precision_recall.png", "confusion.png"}
    assert {path.name for path in run.iterdir()} == names | pictures
    assert list((run.parent / "logs" / "run").glob("events*"))
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["test"]["n"] == 24
    assert set(metrics["val"]["findings"]["Mass"]) >= {"auroc", "ap", "n", "positives", "sensitivity", "intervals"}


@pytest.mark.byhand
def test_evaluation_uses_the_best_checkpoint(run):
    """Pitfall: "best" weights are the last."""
    model = opening.load(run)
    side = data.decode(model.train_config, load_split(model.train_config, "test"))
    rows = [row for row in csv.DictReader((run / "predictions.csv").open()) if row["split"] == "test"]
    output = np.array([[float(row[f"logit_{f}"]) for f in side.findings] for row in rows])
    assert np.allclose(output, evaluate.predict(model, side, 32).numpy(), atol=1e-5)
    assert [row["image"] for row in rows] == [image for image, _, _ in side.ids]
    history = opening.checkpoint(run / "last.ckpt").content["history"]
    assert json.loads((run / "metrics.json").read_text())["best_epoch"] == best_epoch(history)
    assert opening.checkpoint(run / "best.ckpt").content["history"][-1]["epoch"] == best_epoch(history)


@pytest.mark.byhand
def test_keep_last_evaluates_the_last_epoch_whatever_validation_says(tiny, tmp_path):
    folder = training.fit(tiny(epochs=3, keep="last"), tmp_path / "run")
    assert opening.checkpoint(folder / "best.ckpt").content["history"][-1]["epoch"] == 3
    assert json.loads((folder / "metrics.json").read_text())["best_epoch"] == 3
    assert opening.checkpoint(folder / "best.ckpt").digest == opening.checkpoint(folder / "last.ckpt").digest


@pytest.mark.byhand
def test_a_run_killed_before_its_evaluation_is_evaluated_and_not_trained_on(run, tmp_path):
    again = shutil.copytree(run, tmp_path / "again")
    for name in ("metrics.json", "predictions.csv"):
        (again / name).unlink()
    training.fit(dataclasses.replace(opening.checkpoint(run / "best.ckpt").config, plots=False), again)
    assert (again / "predictions.csv").read_bytes() == (run / "predictions.csv").read_bytes()
    assert (again / "last.ckpt").read_bytes() == (run / "last.ckpt").read_bytes()


@pytest.mark.byhand
def test_a_last_checkpoint_of_another_architecture_is_refused(run, tiny, tmp_path):
    (tmp_path / "run").mkdir()
    shutil.copy(run / "last.ckpt", tmp_path / "run")
    with pytest.raises(DataError, match=r"last\.ckpt.*squeezenet1_1.* 51 of 52 "):
        training.fit(tiny(backbone="squeezenet1_1"), tmp_path / "run")


@pytest.mark.byhand
def test_best_is_by_auroc_and_by_loss_where_there_is_none():
    rows = [{"epoch": 1, "val_auroc": 0.9, "val_loss": 3.0}, {"epoch": 2, "val_auroc": 0.9, "val_loss": 1.0}]
    assert (best_epoch(rows), kept_epoch(rows, "best"), kept_epoch(rows, "last")) == (1, 1, 2)
    assert best_epoch([{**row, "val_auroc": float("nan")} for row in rows]) == 2


@pytest.mark.byhand
def test_early_stopping_respects_its_patience():
    rows = [{"epoch": e, "val_auroc": v, "val_loss": 1.0} for e, v in enumerate([0.6, 0.7, 0.5, 0.5], start=1)]
    assert stopped_early(rows, 2)
    assert not stopped_early(rows, 3)
    assert not stopped_early(rows, True)
    assert not stopped_early(rows, False)


@pytest.mark.byhand
@pytest.mark.parametrize(
    ("flags", "facts"),
    [
        ({"loss": "ce"}, f"^--loss ce does not fit independent findings: {ONE_OF}"),
        ({"global_pool": "LSE:gamma=5", "lse_gamma": 3}, BOTH),
        ({"weighted_loss": True, "loss": "focal"}, "--weighted_loss True.*--loss focal"),
        ({"multi_label": False, "weighted_loss": True}, "--loss weighted_bce .*--multi_label.* ce$"),
        ({"early_stopping": -1}, "--early_stopping -1.* 0 "),
        ({"devices": "two"}, "--devices 'two'"),
        ({"dataset": "phantom:trian=3"}, "'phantom'.*'trian'.*train"),
        ({"dataset": "phantom:train=many"}, "many.*train.*integer$"),
    ],
    ids=str,
)
def test_a_wrong_flag_is_an_error_before_any_file_of_the_run_is_made(tiny, tmp_path, flags, facts):
    with pytest.raises(BadValueError, match=facts):
        training.fit(tiny(**flags), tmp_path / "train" / "run")
    assert not (tmp_path / "train").exists()


@pytest.mark.planted
@pytest.mark.parametrize(
    ("flags", "facts"),
    [
        ({"lr": 1e30}, r"nan.*epoch 1.*--lr.*--gradient_clip"),
        (
            {"lr": 1e38, "epochs": 1, "batch_size": 64, "scheduler": "none"},
            "^the outputs are not finite after epoch 1: lower --lr or set --gradient_clip$",
        ),
    ],
    ids=["in a step", "in the last step"],
)
def test_diverging_run_is_an_error_without_a_folder(tiny, tmp_path, flags, facts):
    with pytest.raises(LocusError, match=facts):
        training.fit(tiny(optimizer="SGD", global_pool="AVG", precision="32", **flags), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_network_whose_maps_have_no_positions_is_refused_before_training(tiny, tmp_path, monkeypatch):
    def grid(*args):
        raise NotAvailableError("no grid")

    monkeypatch.setattr(Classifier, "grid", grid)
    with pytest.raises(NotAvailableError, match=r"'custom'.*--backbone or --img_size"):
        training.fit(tiny(), tmp_path / "run")
    assert not (tmp_path / "run" / "best.ckpt").exists()
