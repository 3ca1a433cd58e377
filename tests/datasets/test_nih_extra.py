"""``NIH:extra=FOLDER``: additional training images of patients who are not in validation or test."""

from collections.abc import Callable
from pathlib import Path

import pytest

import datasets
from benchmark.training.data import decode
from config import TrainConfig
from core.errors import DataError
from tests.datasets.conftest import HEADER_V2020, write_image

SHARED = Path(__file__).resolve().parents[3] / "shared"
Tree = Callable[..., Path]


@pytest.fixture
def tree(nih_tree: Tree) -> Tree:
    """Return a function that writes a tiny copy of NIH and a folder of additional images with a mass."""

    def write(*images: str) -> Path:
        root = nih_tree()
        for image in images:
            write_image(root / "more/images" / image)
        rows = [f"{image},Mass,0,{int(image[:8])},050,M,PA,1,1,1,1" for image in images]
        (root / "more/Data_Entry_2017_v2020.csv").write_text("\n".join([HEADER_V2020, *rows]) + "\n")
        return root

    return write


def test_extra_images_are_used_also_with_train_on_boxed(tree: Tree, tmp_path: Path):
    root = tree("00000777_000.png", "00000004_001.png", "00000001_000.png")  # a new image, one of a test patient, one of the data set
    names = {split: [s.image_id for s in datasets.load("NIH:extra=more", root, split)] for split in ("train", "val", "test")}
    plain = {split: [s.image_id for s in datasets.load("NIH", root, split)] for split in names}
    assert names == {**plain, "train": [*plain["train"], "00000777_000.png"]}
    config = TrainConfig(
        dataset="NIH:extra=more", data_root_dir=str(root), num_classes=8, img_size=32, train_on="boxed", cache_dir=str(tmp_path / "cache")
    )
    train = decode(config, datasets.load("NIH:extra=more", root, "train", findings=8))
    assert train.ids == [("00000777_000.png", "00000777", False)]
    assert train.labels.tolist() == [[0, 0, 0, 0, 1, 0, 0, 0]]


@pytest.mark.parametrize(
    ("word", "facts"),
    [
        ("NIH:extra=nowhere", r"extra=nowhere.*Data_Entry_2017_v2020\.csv"),
        ("NIH:extra=../more", r"extra=\.\./more.*not a path"),
        ("NIH:extra=more", r"none of the 1 images of .*more can be added"),
    ],
)
def test_a_folder_without_new_images_raises_a_clear_error(tree: Tree, word: str, facts: str):
    root = tree("00000004_001.png")
    with pytest.raises(DataError, match=facts):
        datasets.load(word, root, "train")


@pytest.mark.skipif(not (SHARED / "nih-extra").is_dir(), reason="nih-extra is not beside the checkout")
def test_no_extra_image_is_of_a_held_out_patient():
    root, cut = SHARED / "nih-sample", {"partition": "kfold", "folds": 5, "fold": 0}
    data = datasets.load("NIH:extra=nih-extra", root, "train", **cut)
    extra = [sample for sample in data if "extra" in sample.meta]
    held_out = {p for split in ("val", "test") for p in datasets.load("NIH", root, split, **cut).patients}
    assert 200 < len(extra) <= 365
    assert not {sample.patient_id for sample in extra} & held_out
    assert all(not sample.boxes for sample in extra)
