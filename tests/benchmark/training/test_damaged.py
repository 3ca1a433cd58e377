"""Damaged files in a run folder."""

import json
import threading
import zipfile

import pytest

from locus.benchmark.training import runs
from locus.config import TrainConfig
from locus.core.files import file_hash


@pytest.fixture
def finished(tmp_path):
    """A folder with the files of a finished run of 2 validation and 3 test images."""
    run = tmp_path / "run"
    run.mkdir()
    for name in ("best.ckpt", "last.ckpt"):
        with zipfile.ZipFile(run / name, "w") as file:
            file.writestr("weights", "0" * 1000)
    (run / "predictions.csv").write_text("image\n1\n2\n3\n4\n5\n")
    (run / "provenance.json").write_text('{"threads": 2}\n')
    hashed = file_hash(run / "predictions.csv")
    (run / "metrics.json").write_text(json.dumps({"predictions": hashed, "provenance": {"threads": 2}}))
    return run


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def left(run):
    return {path.name for path in run.glob("*")}


@pytest.mark.parametrize("name", ["metrics.json", "predictions.csv"])
def test_damaged_metrics_or_predictions_are_evaluated_again(finished, name, caplog):
    cut(finished / name)
    runs.clear_damaged(finished)
    assert left(finished) == {"best.ckpt", "last.ckpt", "predictions.csv", "provenance.json"}
    assert "evaluated again" in caplog.text


def test_run_is_trained_again_if_its_weights_are_damaged_and_not_otherwise(finished, caplog):
    runs.clear_damaged(finished)
    assert left(finished) == {"best.ckpt", "last.ckpt", "metrics.json", "predictions.csv", "provenance.json"}
    cut(finished / "best.ckpt")
    runs.clear_damaged(finished)
    assert not finished.exists()
    assert "best.ckpt" in caplog.text


def test_damaged_last_checkpoint_only_affects_unfinished_runs(finished):
    cut(finished / "last.ckpt")
    runs.clear_damaged(finished)
    assert finished.exists()
    (finished / "metrics.json").unlink()
    runs.clear_damaged(finished)
    assert not finished.exists()


def test_missing_files_of_a_finished_run_are_repaired(finished):
    (finished / "provenance.json").unlink()
    runs.clear_damaged(finished)
    assert json.loads((finished / "provenance.json").read_text()) == {"threads": 2}
    (finished / "predictions.csv").unlink()
    runs.clear_damaged(finished)
    assert not runs.done(finished)  # so it is evaluated again
    (finished / "metrics.csv").touch()
    (finished / "best.ckpt").unlink()
    runs.clear_damaged(finished)
    assert not finished.exists()  # so it is trained again


def test_runs_that_start_in_the_same_second_have_their_own_folders(tmp_path):
    config, folders = TrainConfig(model_save_dir=str(tmp_path / "train")), []
    threads = [threading.Thread(target=lambda: folders.append(runs._created(config))) for _ in range(8)]
    for step in (threading.Thread.start, threading.Thread.join):
        for thread in threads:
            step(thread)
    assert len(folders) == 8
    assert set(folders) == set((tmp_path / "train").iterdir())
