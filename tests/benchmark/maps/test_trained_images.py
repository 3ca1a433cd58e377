"""``--trained_on FILE``: listed training images are left out of the test and counted."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from locus.benchmark.maps.runs import GivenModel, _listed_images, images_of
from locus.config import TrainConfig
from locus.core.errors import DataError, LeakError
from locus.datasets.nih import BOXED
from tests.datasets.conftest import nih_tree  # noqa: F401 - a fixture

MODEL = GivenModel("net", Path("best.ckpt"), "digest", "code", BOXED, "", trained_on="3 images of list.txt")


@pytest.fixture
def config(nih_tree: Callable[..., Path], tmp_path: Path) -> TrainConfig:  # noqa: F811
    return TrainConfig(dataset="NIH", num_classes=8, data_root_dir=str(nih_tree()), cache_dir=str(tmp_path / "cache"))


def test_listed_images_are_left_out_and_counted(config: TrainConfig):
    model = replace(MODEL, trained_images=frozenset({"00000005_000.png", "00000001_000.png"}))
    data = images_of(config, "test", model)
    assert [sample.image_id for sample in data] == ["00000004_000.png", "00000005_001.png"]
    assert (data.describe["images_seen_in_training"], data.describe["other_images_of_seen_patients"]) == (1, 1)
    assert data.describe["trained_on"] == MODEL.trained_on
    assert len(images_of(config, "val", model)) == len(images_of(config, "val", MODEL))


def test_list_without_test_images_excludes_none(config: TrainConfig):
    model = replace(MODEL, trained_images=frozenset({"00000001_000.png"}))
    assert len(images_of(config, "test", model)) == 3


def test_list_with_no_image_or_all_images_of_the_data_set_is_refused(config: TrainConfig):
    with pytest.raises(DataError, match=r"list\.txt: none of the 1 listed .* NIH.*00000004_000\.png"):
        images_of(config, "test", replace(MODEL, trained_images=frozenset({"a.png"})))
    every = frozenset({"00000004_000.png", "00000005_000.png", "00000005_001.png"})
    with pytest.raises(LeakError, match=r"all 3 images of NIH.*list\.txt"):
        images_of(config, "test", replace(MODEL, trained_images=every))


def test_list_has_a_name_per_line_with_or_without_labels(tmp_path: Path):
    file = tmp_path / "train_list.txt"
    file.write_text("images/a.png 0 1\nb.png 1 0\n")
    assert _listed_images(str(file)) == {"a.png", "b.png"}
    assert _listed_images("NIH") == _listed_images("Hospital X") == frozenset()
    file.write_text("\n")
    for word in (file, tmp_path / "absent.txt"):
        with pytest.raises(DataError, match=word.name):
            _listed_images(str(word))
