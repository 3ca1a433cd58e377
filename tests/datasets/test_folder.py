"""The data set ``folder``, with typical errors of users."""

import numpy as np
import pytest

from locus import datasets
from locus.core.errors import BadValueError, DataError, LeakError
from tests.datasets.trees_radiologists import write_dicom


def test_labels_are_1_0_or_unknown_and_images_may_be_in_subfolders(folder_tree):
    root = folder_tree()
    data = datasets.load("folder", root, "train", "patient")
    assert data.findings == ("Mass", "Nodule")
    labels = {s.image_id: s.labels for split in ("train", "val", "test") for s in datasets.load("folder", root, split, "patient")}
    assert np.isnan(labels["b.png"][1])
    assert labels["deep/c.png"][1] == 1
    assert all(s.image.shape == (16, 16) for s in data)


@pytest.mark.byhand
def test_boxes_are_edges_in_pixels_and_clipped_at_the_image_edge(folder_tree, caplog):
    data = datasets.load("folder", folder_tree())
    truth = {sample.image_id: sample.boxes for sample in data}
    assert truth["d.png"]["Mass"].tolist() == [[2, 3, 10.5, 8]]
    assert truth["f.png"]["Mass"].tolist() == [[0, 0, 4, 4], [8, 8, 16, 12]]
    assert truth["e.jpg"] == {}
    assert (data.describe["boxes_clipped"], data.describe["boxed_images"]) == (1, 2)
    assert "clipped 1 boxes" in caplog.text


def test_dicom_files_are_images_too(folder_tree):
    root = folder_tree("image,split,Mass", ["scan.dcm,test,1", "d.png,test,0"], ["scan.dcm,Mass,2,3,30,20"])
    write_dicom(root / "scan.dcm", kind="MONOCHROME1")
    sample = datasets.load("folder", root)[0]
    assert (sample.frame, sample.boxes["Mass"].tolist()) == ((24, 32), [[2, 3, 30, 20]])
    assert (sample.image[0, 0], sample.image[0, -1]) == (255, 0)


def test_boxes_stay_in_the_published_frame_of_a_smaller_copy(folder_tree):
    root = folder_tree("image,split,width,height,view,Mass", ["a.png,train,64,32,PA,1", "d.png,test,64,32,AP,1"], ["d.png,Mass,2,3,60,30"])
    sample = datasets.load("folder", root)[0]
    assert (sample.frame, sample.image.shape, sample.meta["view"]) == ((32, 64), (16, 16), "AP")
    assert sample.boxes["Mass"].tolist() == [[2, 3, 60, 30]]


def test_the_column_split_is_the_official_partition_and_a_missing_validation_is_cut_from_train(folder_tree):
    root = folder_tree()
    train, val, test = (datasets.load("folder", root, split) for split in ("train", "val", "test"))
    assert sorted(train.patients + val.patients) == ["p1", "p1", "p2"]
    assert not set(train.patients) & set(val.patients)
    assert test.patients == ["p3", "p4", "p5"]


def test_without_patients_each_image_counts_as_one_and_this_is_recorded(folder_tree):
    rows = [f"{name},1" for name in ("a.png", "b.png", "d.png", "e.jpg")]
    data = datasets.load("folder", folder_tree("image,Mass", rows, []), "train", "patient")
    assert data.describe["patients_named"] is False
    assert data.patients == [sample.image_id for sample in data]


def test_table_names_and_ignored_columns_are_options(folder_tree):
    root = folder_tree("image,split,note,site,Mass", ["a.png,train,fine,x,1", "d.png,test,?,y,1"], [])
    (root / "labels.csv").rename(root / "mine.csv")
    data = datasets.load("folder:labels=mine.csv,ignore=note+site", root)
    assert data.findings == ("Mass",)


def test_a_file_that_is_not_an_image_is_reported_when_it_is_decoded(folder_tree):
    root = folder_tree()
    (root / "f.png").write_bytes(b"PK\x03\x04" + bytes(100))
    sample = datasets.load("folder", root)[2]
    assert (sample.frame, sample.boxes) == ((1, 1), {})
    with pytest.raises(DataError, match=r"f\.png.*PNG or JPEG"):
        _ = sample.image


def test_a_latin_1_or_empty_table_raises_a_clear_error(folder_tree):
    path = folder_tree() / "labels.csv"
    path.write_bytes(path.read_text().replace("p3", "Müller").encode("latin-1"))
    with pytest.raises(DataError, match=r"labels\.csv.*UTF-8.*\\xfc.*Latin-1.*CSV"):
        datasets.load("folder", path.parent)
    path.write_bytes(b"\r\n")
    with pytest.raises(DataError, match=r"labels\.csv.*empty.*line.*image"):
        datasets.load("folder", path.parent)


def test_missing_files_raise_an_error_with_the_layout(folder_tree):
    root = folder_tree("image,Mass", ["a.png,1"], [])
    with pytest.raises(DataError, match=r"labels\.csv.*column.*'split'.*--partition.*patient.*kfold"):
        datasets.load("folder", root)
    with pytest.raises(DataError, match=r"table.*/mine\.csv.*labels\.csv"):
        datasets.load("folder:labels=mine.csv", root)
    with pytest.raises(DataError, match=r"'\.\./boxes\.csv'"):
        datasets.load("folder:boxes=../boxes.csv", root)


def test_ages_are_parsed_and_invalid_ones_raise_an_error(folder_tree):
    rows = ["a.png,train,061Y,1", "d.png,test,18M,1", "e.jpg,test,,0", "f.png,test,44,0"]
    ages = [sample.meta["age"] for sample in datasets.load("folder", folder_tree("image,split,age,Mass", rows, []))]
    assert ages == pytest.approx([1.5, np.nan, 44], nan_ok=True)
    rows[0] = "a.png,train,old,1"
    with pytest.raises(DataError, match=r"labels\.csv.*invalid ages \(1\): 'old'"):
        datasets.load("folder", folder_tree("image,split,age,Mass", rows, []))


@pytest.mark.parametrize("end", ["\r", ",,\n"])
def test_carriage_returns_and_trailing_commas_are_accepted(folder_tree, end):
    path = folder_tree() / "labels.csv"
    header, _, rows = path.read_text().partition("\n")
    path.write_text(header + end[-1] + rows.replace("\n", end), newline="")
    assert datasets.load("folder", path.parent).patients == ["p3", "p4", "p5"]


def test_a_patient_in_two_splits_raises_a_leak_error_despite_trailing_spaces(folder_tree):
    with pytest.raises(LeakError, match=r"\(1\): p1 .*train.*test"):
        datasets.load("folder", folder_tree(rows=["a.png,p1,train,1,0", "d.png,p1 ,test,1,0"]))


def test_another_number_of_findings_raises_an_error(folder_tree):
    with pytest.raises(BadValueError, match=r"labels\.csv has 2 findings, not 5: .*--num_classes 2$"):
        datasets.load("folder", folder_tree(), findings=5)
