"""``CheXpert:truth=ham``: boxes of one radiologist, whose patients are excluded from training."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import datasets
from core.errors import BadValueError, DataError

Tree = Callable[..., Path]
WORD = "CheXpert:truth=ham"
TRAINED, VALID = "patient00001/study1/view1_frontal.jpg", "patient64541/study1/view1_frontal.jpg"
BOXES = {
    f"CheXpert-v1.0/train/{TRAINED}": {"edema": [[1, 2, 9, 12]], "Cardiomegaly": [[0, 0, 5, 5], [6, 6, 15, 20]]},
    f"CheXpert-v1.0/valid/{VALID}": {"Enlarg_Cardiomediastinum": [[3, 3, 8, 8]]},
    "CheXpert-v1.0/train/patient00002/study1/view1_frontal.jpg": {},
}


@pytest.fixture
def tree(chexpert_tree: Tree) -> Tree:
    def write(boxes: object = BOXES) -> Path:
        root = chexpert_tree()
        (root / "BBoxes.json").write_text(json.dumps(boxes))
        return root

    return write


def images(root: Path, split: str, findings: int = 14) -> dict:
    return {sample.image_id: sample for sample in datasets.load(WORD, root, split, findings=findings)}


def test_boxed_images_are_the_test_split_and_their_patients_are_not_trained_on(tree: Tree):
    root = tree()
    test = images(root, "test")
    assert set(test) == {"patient00001_study1_view1_frontal", "patient00002_study1_view1_frontal", "patient64541_study1_view1_frontal"}
    assert {sample.patient_id for split in ("train", "val") for sample in images(root, split).values()} == {"patient00003", "patient00004"}
    described = datasets.load(WORD, root, findings=14).describe
    assert (described["truth"], described["boxed_images"]) == ("ham", 2)


def test_other_spellings_are_mapped_to_chexperts_findings(tree: Tree):
    test = images(tree(), "test")
    sample = test["patient00001_study1_view1_frontal"]
    assert sample.frame == (20, 15)
    assert {finding: boxes.tolist() for finding, boxes in sample.boxes.items()} == {
        "Edema": [[1, 2, 9, 12]],
        "Cardiomegaly": [[0, 0, 5, 5], [6, 6, 15, 20]],
    }
    assert list(test["patient64541_study1_view1_frontal"].boxes) == ["Enlarged Cardiomediastinum"]
    assert test["patient00002_study1_view1_frontal"].boxes == {}
    assert set(images(tree(), "test", 5)["patient00001_study1_view1_frontal"].boxes) == {"Edema", "Cardiomegaly"}


@pytest.mark.parametrize(
    ("boxes", "facts"),
    [
        ([], r"BBoxes\.json: .* paths to findings to boxes"),
        ({"a.png": {"Edema": [[1, 1, 2, 2]]}}, r"BBoxes\.json.*'a\.png'.*CheXpert"),
        ({f"train/{TRAINED}": {"Oedema": [[1, 1, 2, 2]]}}, r"BBoxes\.json.*'Oedema'.*'Edema'"),
        ({f"train/{TRAINED}": {"Edema": [[100, 100, 200, 200]]}}, r"BBoxes\.json.*boxes.*outside.*\(1\).*Edema"),
        ({f"train/{TRAINED}": {"Edema": [[1, 1, 9]]}}, r"BBoxes\.json.*four numbers"),
    ],
)
def test_a_broken_file_raises_a_clear_error(tree: Tree, boxes: object, facts: str):
    with pytest.raises(DataError, match=facts):
        images(tree(boxes), "test")


def test_a_missing_file_an_unknown_truth_and_other_partitions_raise_clear_errors(tree: Tree, chexpert_tree: Tree):
    with pytest.raises(DataError, match=r"no BBoxes\.json of HAM"):
        images(chexpert_tree(), "test")
    with pytest.raises(BadValueError, match=r"'hams'.*'ham'"):
        datasets.load("CheXpert:truth=hams", chexpert_tree())
    with pytest.raises(DataError, match=r"truth=ham.*--partition official.* kfold"):
        datasets.load(WORD, tree(), partition="kfold")


def test_images_of_the_small_version_raise_an_error(chexpert_tree: Tree):
    root = chexpert_tree(inside="CheXpert-v1.0-small")
    (root / "BBoxes.json").write_text(json.dumps(BOXES))
    with pytest.raises(DataError, match=r"full-size images.*CheXpert-v1\.0-small"):
        images(root, "test")
