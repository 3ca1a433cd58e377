"""``NIH:truth=chestx_det``: NIH's images with the annotations of ChestX-Det's radiologists."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from locus import datasets
from locus.core.errors import BadValueError, DataError

SHARED = Path(__file__).resolve().parents[3] / "shared"
ANNOTATIONS = SHARED / "chestx-det/annotations.json"
WORD = "NIH:truth=chestx_det"
MARKS = [
    {"image": "00000004_000.png", "file_name": "36200.png", "syms": ["Mass", "Mass"], "boxes": [[10, 20, 110, 220], [500, 500, 600, 600]],
     "polygons": [[[10, 20], [110, 20], [110, 220], [10, 220]], [[500, 500], [600, 500], [600, 600]]]},
    {"image": "00000005_001.png", "file_name": "36201.png", "syms": [], "boxes": [], "polygons": []},
    {"image": "00000001_000.png", "file_name": "36202.png", "syms": ["Fracture"], "boxes": [[1, 1, 9, 9]],
     "polygons": [[[1, 1], [9, 1], [9, 9]]]},
    {"image": "00000002_000.png", "file_name": "36203.png", "syms": [], "boxes": [], "polygons": []},
]  # fmt: skip


@pytest.fixture
def tree(nih_tree):
    """Return a function that writes a tiny copy of NIH with a file of annotations."""

    def write(marks=MARKS, name="annotations.json"):
        root = nih_tree()
        (root / "chestx_det").mkdir()
        (root / "chestx_det" / name).write_text(json.dumps(marks))
        return root

    return write


def test_annotations_of_the_second_team_are_labels_boxes_and_masks(tree):
    data = datasets.load(WORD, tree())
    assert (len(data.findings), [sample.image_id for sample in data]) == (13, ["00000004_000.png", "00000005_001.png"])
    sample = data[0]
    assert (sample.patient_id, sample.frame, sample.meta["age"]) == ("00000004", (1024, 1024), 44)
    assert sample.boxes["Mass"].tolist() == [[10, 20, 110, 220], [500, 500, 600, 600]]
    assert sample.masks["Mass"][20:220, 10:110].all()
    assert (sample.labels.sum(), data[1].labels.sum(), data[1].boxes) == (1, 0, {})
    assert (data.describe["truth"], data.describe["images_without_file"]) == ("chestx_det", 0)


def test_splits_are_those_of_nih_and_may_have_boxes_in_training(tree):
    root = tree()
    images = {split: {sample.image_id for sample in datasets.load(WORD, root, split)} for split in ("train", "val")}
    assert images["train"] | images["val"] == {"00000001_000.png", "00000002_000.png"}
    (root / "train_val_list.txt").write_text("00000001_000.png\n00000003_000.png\n")
    with pytest.raises(DataError, match=r"\b4\b.*train"):
        [datasets.load(WORD, root, split) for split in ("train", "val")]


def test_the_first_release_has_ten_findings_and_nihs_names(tree):
    def entries(some):
        return [{"file_name": entry["image"], "syms": entry["syms"], "boxes": entry["boxes"]} for entry in some]

    root = tree(entries(MARKS[:2]), "test.json")
    (root / "chestx_det/train.json").write_text(json.dumps(entries(MARKS[2:])))
    data = datasets.load(WORD, root)
    assert (len(data.findings), len(data[0].boxes["Mass"]), data[0].masks) == (10, 2, {})
    with pytest.raises(BadValueError, match=r"13 findings.* 10$"):
        datasets.load(WORD, root, findings=13)


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        ({"image": "36200.png"}, r"annotations\.json: 1 of 4 .*36200\.png.*00000013_005\.png.*NIH's image names only"),
        ({"image": "00000005_001.png"}, r"annotations\.json.*twice \(1\): 00000005_001\.png"),
        ({"polygons": [[[2000, 20], [2100, 20], [2100, 50]]] * 2}, r"annotations\.json: 00000004_000\.png .*polygon outside.*1024x1024"),
        ({"boxes": [[2000, 20, 2100, 50], [2000, 20, 2100, 60]]}, r"boxes.*outside.*\(2\): 00000004_000\.png Mass"),
        ({"polygons": [[[1, 2], [3, 4]]] * 2}, r"00000004_000\.png.*polygon.* 3 points"),
    ],
)
def test_a_broken_annotation_raises_a_clear_error(tree, change, facts):
    root = tree([MARKS[0] | change, *MARKS[1:]])
    with pytest.raises(DataError, match=facts) as caught:
        datasets.load(WORD, root)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.skipif(not ANNOTATIONS.is_file(), reason="ChestX-Det under NIH's names is not beside the checkout")
def test_there_are_6257_cases_and_1474_on_official_test_images(tmp_path):
    """../shared/EXPORTS.md, section B."""
    (tmp_path / "chestx_det").mkdir()
    shutil.copy(ANNOTATIONS, tmp_path / "chestx_det")
    shutil.copy(SHARED / "nih-lists/test_list.txt", tmp_path)
    (tmp_path / "images").mkdir()
    for entry in json.loads((tmp_path / "chestx_det/annotations.json").read_text()):
        (tmp_path / "images" / entry["image"]).touch()
    data = {split: datasets.load(WORD, tmp_path, split) for split in ("train", "val", "test")}
    counts = {split: Counter(finding for s in samples for finding in s.boxes) for split, samples in data.items()}
    every = sum(counts.values(), Counter())
    assert (every.total(), counts["test"].total()) == (6257, 1474)
    unmarked = {split: sum(not sample.boxes for sample in samples) for split, samples in data.items()}
    assert (sum(len(samples) for samples in data.values()), len(data["test"])) == (3543, 683)
    assert (sum(unmarked.values()), unmarked["test"]) == (611, 63)
    assert len(set(data["test"].patients)) == 221
