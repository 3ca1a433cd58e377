"""``--resume``: selected run and allowed changes."""

import dataclasses
import shutil

import pytest
import torch

from locus.benchmark import opening, training
from locus.benchmark.training.resume import folder_for, resumed
from locus.config import TrainConfig
from locus.core.errors import BadValueError, DataError
from locus.flags.cli import parse, read_yaml

pytestmark = pytest.mark.byhand


@pytest.fixture(scope="module")
def finished(tiny_in, tmp_path_factory):
    """One finished run of two epochs, in a folder that tests only read."""
    folder = tmp_path_factory.mktemp("finished")
    return training.fit(tiny_in(folder, augment="light"), folder / "run")


def asking(folder, **typed):
    """The configuration of ``--resume FOLDER`` with these flags typed."""
    config = dataclasses.replace(TrainConfig(), resume=str(folder), **typed)
    return resumed(config, {"resume", *typed})


def copied(finished, tmp_path, **expected):
    """The finished run's folder again, as if it had been started with other flags."""
    folder = shutil.copytree(finished, tmp_path / "run")
    content = opening.checkpoint(folder / "last.ckpt").content
    content["locus"]["config"].update(expected)
    torch.save(content, folder / "last.ckpt")
    return folder


def test_resume_by_path_uses_the_flags_of_the_run(finished):
    again = asking(finished / "last.ckpt", epochs=9)
    assert (again.backbone, again.epochs, again.resume) == ("custom", 9, str(finished / "last.ckpt"))
    assert folder_for(again) == finished


def test_resume_in_a_config_file_uses_its_flags(finished, tmp_path):
    (tmp_path / "again.yaml").write_text(f"resume: {finished}\nepochs: 9\n")
    config = resumed(*parse(TrainConfig, ["--config", str(tmp_path / "again.yaml")], "main.py"))
    assert (folder_for(config), config.backbone, config.epochs) == (finished, "custom", 9)
    (tmp_path / "other.yaml").write_text("backbone: resnet18\n")
    config = resumed(*parse(TrainConfig, ["--resume", str(finished), "--config", str(tmp_path / "other.yaml")], "main.py"))
    with pytest.raises(BadValueError, match=rf"--resume {finished}/last\.ckpt.*--backbone custom.*resnet18"):
        folder_for(config)


def test_finished_run_without_changes_is_unchanged(finished):
    before = {path: path.stat().st_mtime_ns for path in finished.iterdir()}
    assert training.fit(asking(finished, threads=1)) == finished
    assert before == {path: path.stat().st_mtime_ns for path in finished.iterdir()}


def test_finished_run_can_train_more_epochs_and_its_flags_do_not_say_that_it_was_resumed(finished, tmp_path):
    folder = training.fit(asking(copied(finished, tmp_path), epochs=3))
    config = opening.checkpoint(finished / "last.ckpt").config
    whole = training.fit(dataclasses.replace(config, epochs=3), tmp_path / "whole")
    last = opening.checkpoint(folder / "last.ckpt")
    assert last.digest == opening.checkpoint(whole / "last.ckpt").digest
    assert read_yaml(folder / "config.yaml")["resume"] is last.content["locus"]["config"]["resume"] is False
    for name in ("metrics.csv", "predictions.csv"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize(
    ("typed", "facts"),
    [
        ({"dataset": "NIH"}, "--dataset phantom:train=48,val=24,test=24, .*NIH"),
        ({"lr": 1.0, "seed": 3}, r"--lr 0\.003, .*1\.0, --seed 0, .*3"),
        ({"epochs": 1}, "2 epochs.*--epochs 2"),
    ],
    ids=str,
)
def test_flags_of_another_run_are_refused(finished, typed, facts):
    with pytest.raises(BadValueError, match=facts):
        training.fit(asking(finished, **typed))


@pytest.mark.parametrize("scheduler", ["cosine", "onecycle"])
def test_length_is_fixed_for_schedulers_over_the_whole_run(finished, tmp_path, scheduler):
    folder = copied(finished, tmp_path, scheduler=scheduler)
    (folder / "metrics.json").unlink()
    with pytest.raises(BadValueError, match=f"--scheduler {scheduler} .*--epochs 2"):
        training.fit(asking(folder, epochs=5))
    assert folder_for(asking(folder)) == folder


def test_data_that_moved_are_found_at_their_new_place(finished, tmp_path):
    gone = copied(finished, tmp_path, data_root_dir=str(tmp_path / "gone"))
    assert folder_for(asking(gone, data_root_dir="here")) == gone


def test_only_last_checkpoint_can_be_resumed(finished):
    with pytest.raises(DataError, match=rf"best\.ckpt.*last\.ckpt.*{finished}.*--init_from"):
        asking(finished / "best.ckpt")
