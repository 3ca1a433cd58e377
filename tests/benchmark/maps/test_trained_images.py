"""``--trained_on``: images of training patients are left out of the test, whatever the user's folder has of them."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from locus.benchmark.maps.runs import images_of, log_training_images
from locus.benchmark.opening import ExternalModel, _default_split, _listed_images
from locus.config import TrainConfig
from locus.core.errors import BadValueError, DataError, LeakError
from locus.datasets.leaks import TrainingImages
from locus.datasets.nih import BOXED
from tests.datasets.trees import nih_tree  # noqa: F401 - a fixture

MODEL = ExternalModel("net", Path("best.ckpt"), "digest", "code", BOXED, "", trained_on="3 images of list.txt")


@pytest.fixture
def config(nih_tree: Callable[..., Path], tmp_path: Path) -> TrainConfig:  # noqa: F811
    return TrainConfig(dataset="NIH", num_classes=8, data_root_dir=str(nih_tree()), cache_dir=str(tmp_path / "cache"))


def listing(*names: str) -> ExternalModel:
    return replace(MODEL, listed=frozenset(names), training_images=TrainingImages.listed(names))


def test_patients_of_listed_images_are_left_out_and_counted(config: TrainConfig, caplog):
    model = listing("00000005_000.png", "00000001_000.png")
    data = images_of(config, "test", model)
    assert [sample.image_id for sample in data] == ["00000004_000.png"]
    assert (data.describe["images_seen_in_training"], data.describe["trained_on"]) == (2, MODEL.trained_on)
    assert len(images_of(config, "val", model)) == len(images_of(config, "val", MODEL))
    log_training_images([(model, [config]), (model, [config])])  # two training runs of one recipe
    assert [r.message.count("2 of 3") for r in caplog.records if "left out" in r.message] == [1]


def test_list_without_images_of_the_folder_leaves_out_none_and_says_so(config: TrainConfig, caplog):
    model = listing("00099999_000.png")
    assert len(images_of(config, "test", model)) == 3
    with caplog.at_level(logging.INFO):
        log_training_images([(model, [config])])
    assert [r.levelname for r in caplog.records if "none of the 3 test images" in r.message] == ["INFO"]


def test_list_with_other_names_or_all_images_is_refused(config: TrainConfig):
    for name in ("a.png", "00000004_000"):
        with pytest.raises(BadValueError, match=rf"list\.txt.*{name}.*00000004_000\.png"):
            images_of(config, "test", listing(name))
    with pytest.raises(LeakError, match="all 3 images of NIH"):
        images_of(config, "test", listing("00000004_000.png", "00000005_000.png"))


def test_unknown_training_images_are_said(config: TrainConfig, caplog):
    assert len(images_of(config, "test", MODEL)) == 3
    log_training_images([(MODEL, [config])])
    assert "unknown" in caplog.text
    assert "--trained_on" in caplog.text


def test_name_of_a_data_set_means_its_training_images_in_the_folder(config: TrainConfig):
    of_nih = replace(MODEL, declared=_default_split("NIH"))
    assert len(images_of(config, "test", of_nih)) == 3
    everything = replace(config, partition="all")
    seen = {s.patient_id for split in ("train", "val") for s in images_of(config, split, MODEL)}
    rest = {s.patient_id for s in images_of(everything, "test", of_nih)}
    assert rest == {s.patient_id for s in images_of(everything, "test", MODEL)} - seen


def test_list_has_a_name_per_line_with_or_without_labels(tmp_path: Path):
    file = tmp_path / "train_list.txt"
    file.write_text("images/a.png 0 1\nb.png 1 0\n")
    assert _listed_images(str(file)) == {"a.png", "b.png"}
    assert _listed_images("NIH") == _listed_images("Hospital X") == frozenset()
    file.write_text("\n")
    for word in (file, tmp_path / "absent.txt"):
        with pytest.raises(DataError, match=word.name):
            _listed_images(str(word))
