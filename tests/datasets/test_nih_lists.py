"""NIH's tables that ship with the package, without images."""

import csv
import gzip

import numpy as np
import pytest

import locus
from locus import datasets
from locus.core.errors import BadValueError, DataError
from locus.datasets import nih


def read(name):
    with gzip.open(nih.SHIPPED / f"{name}.gz", "rt", encoding="utf-8") as file:
        return file.read()


@pytest.fixture(scope="module")
def data():
    return locus.load_dataset("NIH", root="no/such/folder", images=False)


def test_all_984_boxes_are_those_of_the_published_list(data):
    rows = csv.reader(read("BBox_List_2017.csv").splitlines()[1:])
    listed = {(image, "Infiltration" if finding == "Infiltrate" else finding): xywh[:4] for image, finding, *xywh in rows}
    boxes = {(sample.image_id, finding): box for sample in data for finding, box in sample.boxes.items()}
    assert boxes.keys() == listed.keys()
    assert len(boxes) == 984
    for key, (x, y, w, h) in listed.items():
        x, y, w, h = map(float, (x, y, w, h))
        np.testing.assert_allclose(boxes[key], [[x, y, x + w, y + h]], atol=1e-6)


def test_images_patients_frame_and_labels_are_known_without_pixels(data):
    boxed = [sample for sample in data if sample.boxes]
    assert (len(data), len(boxed), len({sample.patient_id for sample in boxed})) == (25596, 880, 726)
    assert {sample.frame for sample in boxed} == {(1024, 1024)}
    rows = csv.DictReader(read("Data_Entry_2017_v2020.csv").splitlines())
    (listed,) = (row["Finding Labels"].split("|") for row in rows if row["Image Index"] == boxed[0].image_id)
    labelled = [finding for finding, label in zip(data.findings, boxed[0].labels, strict=True) if label]
    assert labelled == [finding for finding in data.findings if finding in listed]


def test_pixels_are_refused(data):
    with pytest.raises(DataError, match="images=False"):
        _ = data[0].image


@pytest.mark.slow
def test_the_training_list_is_all_other_images_and_shares_no_patient(data):
    parts = {split: locus.load_dataset("NIH:images=False", split=split) for split in ("train", "val")}
    assert sum(map(len, parts.values())) + len(data) == 112120
    assert not {*parts["train"].patients, *parts["val"].patients} & {*data.patients}


def test_lists_in_the_users_folder_win(tmp_path):
    for name in ("BBox_List_2017.csv", "Data_Entry_2017_v2020.csv"):
        (tmp_path / name).write_text("\n".join(read(name).splitlines()[:2000]) + "\n", encoding="utf-8")
    images = [line.partition(",")[0] for line in (tmp_path / "Data_Entry_2017_v2020.csv").read_text().splitlines()[1:]]
    listed = [line for line in (tmp_path / "BBox_List_2017.csv").read_text().splitlines() if line.partition(",")[0] in images]
    (tmp_path / "BBox_List_2017.csv").write_text("Image Index,Finding Label,Bbox [x,y,w,h],,,\n" + "\n".join(listed) + "\n")
    test = set(read("test_list.txt").split())
    (tmp_path / "test_list.txt").write_text("\n".join(i for i in images if i in test) + "\n")
    (tmp_path / "train_val_list.txt").write_text("\n".join(i for i in images if i not in test) + "\n")
    own = locus.load_dataset("NIH", root=tmp_path, images=False)
    assert 0 < len(own) < 2000
    assert own.root == tmp_path
    (tmp_path / "test_list.txt").unlink()
    assert len(locus.load_dataset("NIH", root=tmp_path, images=False)) == 25596


def test_images_false_cannot_be_combined_with_the_second_teams_truth():
    with pytest.raises(BadValueError, match="images=False cannot be combined"):
        locus.load_dataset("NIH:truth=chestx_det,images=False")


def test_nih_is_at_hand_without_a_folder_only_without_images(monkeypatch, tmp_path):
    monkeypatch.setenv("LOCUS_DATA", str(tmp_path))
    assert (datasets.at_hand("NIH"), datasets.at_hand("NIH:images=False")) == (False, True)
    datasets.check("NIH:images=False")
