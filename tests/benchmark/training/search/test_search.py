"""Searches of a few seconds: trials, resuming, reproducibility."""

import csv
import logging

import pytest
import yaml

from locus.benchmark.training import load, search
from locus.benchmark.training.run import train
from locus.benchmark.training.search import best_so_far, read
from locus.config import TrainConfig
from locus.core.cli import CONFIGS, build, read_yaml
from locus.core.errors import BadValueError, DataError, LocusError

FLAGS = {
    "dataset": "phantom:train=48,val=24,test=24", "img_size": 32, "backbone": "custom", "epochs": 1,
    "logger": ["csv"], "plots": False, "precision": "32",
}  # fmt: skip
SPACE = {"lr": {"low": 1e-4, "high": 1e-2, "log": True}, "optimizer": ["Adam", "SGD"], "dropout": {"low": 0, "high": 0.5}}


def runner(at, cache):
    """run(trials, **changes) -> the folder and the rows of trials.csv of a search below ``at``."""

    def start(trials, path="out", **changes):
        plan = {"study": "tiny", "trials": trials, "startup_trials": 2, "heartbeat": 1, "flags": FLAGS, "space": SPACE}
        (at / "search.yaml").write_text(yaml.safe_dump({**plan, **changes}))
        places = {"cache_dir": str(cache), "log_dir": str(at / "logs")}
        typed = {**places, "search": str(at / "search.yaml"), "model_save_dir": str(at / path), "threads": 1}
        folder = search.run(build(TrainConfig, {**read_yaml(CONFIGS / "phantom.yaml"), **typed}), set(typed))
        with (folder / "trials.csv").open() as file:
            return folder, list(csv.DictReader(file))

    return start


@pytest.fixture
def run(tmp_path, tmp_path_factory):
    return runner(tmp_path, tmp_path_factory.getbasetemp() / "cache")


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A search of two trials: what goes on with it, its folder and its rows."""
    run = runner(tmp_path_factory.mktemp("searched"), tmp_path_factory.getbasetemp() / "cache")
    return run, *run(2)


@pytest.mark.planted
def test_the_flags_of_the_best_trial_train_the_same_weights_again(searched, tmp_path):
    _, folder, rows = searched
    best = max(rows, key=lambda row: float(row["value"]))
    config = build(TrainConfig, {**read_yaml(folder / "config.yaml"), "log_dir": str(tmp_path / "logs")})
    train(config, tmp_path / "again")
    assert load.checkpoint(tmp_path / "again").digest == load.checkpoint(folder / best["run"]).digest


@pytest.mark.byhand
def test_another_search_of_the_same_name_in_the_same_storage_is_refused(searched):
    run, *_ = searched
    with pytest.raises(BadValueError, match=r"'tiny'.*storage.* space.*study"):
        run(1, space={"lr": [0.1]})
    with pytest.raises(BadValueError, match=r"'tiny'.*--epochs, --weight_decay\b"):
        run(1, flags={**FLAGS, "epochs": 2, "weight_decay": 0.1})


@pytest.mark.planted
def test_resumed_search_equals_an_uninterrupted_one(searched, caplog):
    run, folder, first = searched
    assert [row["state"] for row in first] == ["complete"] * 2
    with caplog.at_level(logging.INFO):
        _, more = run(3)
        _, whole = run(3, path="other")
    lines = [message.split(":")[0] for message in caplog.messages if " of 3): " in message]
    assert lines == ["trial 2 (3 of 3)", "trial 0 (1 of 3)", "trial 1 (2 of 3)", "trial 2 (3 of 3)"]
    assert more[:2] == first
    assert len(more) == 3
    assert [[row[name] for name in SPACE] for row in whole] == [[row[name] for name in SPACE] for row in more]
    best = max(more, key=lambda row: float(row["value"]))
    config = build(TrainConfig, read_yaml(folder / "config.yaml"))
    assert (config.lr, config.optimizer) == (pytest.approx(float(best["lr"])), best["optimizer"])
    assert config.search is None
    assert (folder / best["run"] / "best.ckpt").exists()
    assert "3 complete" in (folder / "trials.md").read_text()


@pytest.mark.planted
def test_failed_trial_is_recorded_with_its_reason(run):
    folder, rows = run(4, sampler="random", space={"loss": ["bce", "ce"], "lr": SPACE["lr"]}, seed=1)
    assert {(row["loss"], row["state"]) for row in rows} == {("bce", "complete"), ("ce", "failed")}
    assert all("--loss ce" in row["reason"] for row in rows if row["loss"] == "ce")
    assert "failed" in (folder / "trials.md").read_text()


@pytest.mark.planted
def test_error_if_all_trials_fail(run):
    with pytest.raises(LocusError, match=r" 2 trials.*--loss ce.*trials\.md.*study"):
        run(2, space={"loss": ["ce"]})


@pytest.mark.slow
@pytest.mark.planted
def test_a_trial_worse_than_the_median_is_pruned_and_counted(run):
    """Half of the learning rates are 0: these stay at chance while the others learn."""
    flags = {**FLAGS, "dataset": "phantom:train=200,val=100,test=24", "epochs": 4, "scheduler": "none"}
    folder, rows = run(6, flags=flags, space={"lr": [0.0, 0.01]}, sampler="random", seed=3)
    pruned = [row for row in rows if row["state"] == "pruned"]
    assert pruned
    assert all(int(row["epochs"]) < 4 for row in pruned)
    assert f"{len(pruned)} pruned" in (folder / "trials.md").read_text()


@pytest.mark.byhand
def test_an_option_of_the_data_set_can_be_searched(run):
    _, rows = run(1, space={"dataset.prevalence": [0.2, 0.4]}, sampler="random")
    assert [(row["state"], row["dataset.prevalence"] in ("0.2", "0.4")) for row in rows] == [("complete", True)]


@pytest.mark.byhand
def test_common_errors_are_reported_before_the_first_trial(run, tmp_path):
    for wrong, kind, facts in (
        ({"dataset": "folder", "data_root_dir": "/nowhere", "img_size": 32}, DataError, r"/nowhere.*labels\.csv"),
        ({**FLAGS, "epochs": 0}, BadValueError, "--epochs 0"),
        ({**FLAGS, "epochs": None}, BadValueError, "--epochs.*null"),
    ):
        with pytest.raises(kind, match=facts):
            run(1, flags=wrong)
        assert not (tmp_path / "out").exists()
    _, rows = run(1)
    assert [row["state"] for row in rows] == ["complete"]


@pytest.mark.byhand
def test_invalid_storage_is_an_error(run, tmp_path):
    (tmp_path / "no.db").write_text("this is no database, it is a text file\n" * 100)
    with pytest.raises(DataError, match=r"sqlite:///.*/no\.db.*--search_storage"):
        run(1, storage=str(tmp_path / "no.db"))


@pytest.mark.byhand
def test_reported_value_is_the_best_so_far(tmp_path):
    (tmp_path / "s.yaml").write_text(yaml.safe_dump({"study": "a", "trials": 1, "space": SPACE}))
    plan = read(tmp_path / "s.yaml")
    history = [{"val_auroc": 0.7}, {"val_auroc": float("nan")}, {"val_auroc": 0.6}]
    assert best_so_far(history, plan) == 0.7
    assert best_so_far(history, plan.model_copy(update={"direction": "minimize"})) == 0.6
    with pytest.raises(LocusError, match=r"val_auroc.*validation"):
        best_so_far(history[1:2], plan)
