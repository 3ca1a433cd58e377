"""The data set ``folder``, with typical errors of users."""

import json

import numpy as np
import pytest

from locus import datasets
from locus.core.errors import BadValueError, DataError, LeakError
from tests.datasets.trees import write_dicom


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


def test_patients_are_split_at_random_without_a_column_split(folder_tree, caplog):
    rows = [f"{name},1" for name in ("a.png", "b.png", "d.png", "e.jpg")]
    root = folder_tree("image,Mass", rows, [])
    with caplog.at_level("INFO"):
        parts = [datasets.load("folder", root, split) for split in ("train", "val", "test")]
    assert [part.patients for part in parts] == [
        datasets.load("folder", root, split, "patient").patients for split in ("train", "val", "test")
    ]
    assert [part.describe["partition"] for part in parts] == ["patient"] * 3
    assert caplog.text.count("--partition patient") == 1


COCO = {
    "images": [{"id": 1, "file_name": "d.png", "width": 16, "height": 16}],
    "categories": [{"id": 3, "name": "Mass"}],
    "annotations": [{"image_id": "1", "category_id": 3, "bbox": [2, 4, 8, 8]}],
}
VOC = """<annotation><filename>d.png</filename><size><width>16</width><height>16</height></size><object><name>Mass</name>
<bndbox><xmin>2</xmin><ymin>4</ymin><xmax>10</xmax><ymax>12</ymax></bndbox></object></annotation>"""
BOXES = {
    "boxes.csv": {"boxes.csv": "file,finding,x,y,w,h\nd.png,Mass,2,4,8,8\n"},
    "edges.csv": {"edges.csv": "file,finding,x_min,y_min,x_max,y_max\nd.png,Mass,2,4,10,12\n"},
    "shares.csv,normalised=True": {"shares.csv": "image,finding,x1,y1,x2,y2\nd.png,Mass,.125,.25,.625,.75\n"},
    "truth.JSON": {"truth.JSON": json.dumps(COCO)},
    "voc": {"voc/d.xml": VOC},
    "yolo": {"yolo/d.txt": "1 .375 .5 .5 .5\n", "yolo/classes.txt": "Nodule\nMass\n"},
}


def with_boxes(folder_tree, option, files):
    root = folder_tree("file,pid,note,tags", ["a.png,p1,x,No Finding", "d.png,p2,y,Mass|Nodule", "e.jpg,p3,,Nodule", "f.png,p4,,"], [])
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    word = f"folder:image=file,patient=pid,findings=tags,boxes={option}"
    return [sample for split in ("train", "val", "test") for sample in datasets.load(word, root, split, "kfold", folds=3)]


@pytest.mark.byhand
@pytest.mark.parametrize("option", BOXES)
def test_columns_lists_of_findings_and_boxes_of_annotation_tools_are_read(folder_tree, option):
    samples = {sample.image_id: sample for sample in with_boxes(folder_tree, option, BOXES[option])}
    labels = {name: (sample.patient_id, *sample.labels.tolist()) for name, sample in samples.items()}
    assert labels == {"a.png": ("p1", 0, 0), "d.png": ("p2", 1, 1), "e.jpg": ("p3", 0, 1), "f.png": ("p4", 0, 0)}
    assert {name: {f: b.tolist() for f, b in s.boxes.items()} for name, s in samples.items() if s.boxes} == {
        "d.png": {"Mass": [[2, 4, 10, 12]]}
    }


@pytest.mark.parametrize(
    ("option", "name", "old", "new", "facts"),
    [
        ("truth.JSON", "truth.JSON", '"width": 16', '"width": 32', "d.png is 32x16 there and 16x16"),
        ("voc", "voc/d.xml", "<height>16", "<height>8", "d.png is 16x8 there and 16x16"),
        ("voc", "voc/d.xml", "<annotation>", "<!DOCTYPE a><annotation>", r"d\.xml.*DOCTYPE"),
        ("voc", "voc/d.xml", "</annotation>", "", r"d\.xml.*Pascal VOC"),
        ("yolo", "yolo/d.txt", "1 .375", "2 .375", r"line 1 of .*d\.txt.*class"),
        ("yolo", "yolo/d.txt", "1 .375", "1 .3 .3 .375", r"line 1 of .*d\.txt"),
        ("yolo", "yolo/classes.txt", "Mass", "Fracture", "Fracture"),
    ],
)
def test_a_broken_file_of_an_annotation_tool_is_named(folder_tree, option, name, old, new, facts):
    files = {**BOXES[option], name: BOXES[option][name].replace(old, new)}
    with pytest.raises(DataError, match=facts):
        with_boxes(folder_tree, option, files)


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


@pytest.mark.parametrize(
    ("name", "header", "rows", "fact"),
    [
        (
            "folder",
            "image,split,Mass,No Finding",
            ["a.png,train,1,0", "d.png,test,0,1", "f.png,test,1,1"],
            r"with No Finding beside a finding \(1\): f.png",
        ),
        (
            "folder",
            "image,split,Mass,Nodule,normal",
            ["a.png,train,1,0,0", "d.png,test,,1,1.0"],
            r"with normal beside a finding \(1\): d.png",
        ),
        (
            "folder:findings=tags",
            "image,split,tags",
            ["a.png,train,Mass", "d.png,test,Mass|No Finding"],
            r"cells with a word for no finding .*\(1\): Mass\|No Finding",
        ),
        (
            "folder:findings=tags",
            "image,split,tags",
            ["a.png,train,Mass", "d.png,test,\"['No_Finding', 'Mass']\""],
            r"cells with a word for no finding",
        ),
    ],
)
def test_no_finding_beside_a_finding_is_refused(folder_tree, name, header, rows, fact):
    with pytest.raises(DataError, match=rf"labels.csv has .*{fact}"):
        datasets.load(name, folder_tree(header, rows, []))


def test_no_finding_without_a_finding_is_a_label(folder_tree):
    data = datasets.load("folder", folder_tree("image,split,Mass,No Finding", ["a.png,train,1,0", "d.png,test,0,1", "f.png,test,1,"], []))
    assert data.findings == ("Mass", "No Finding")
    assert data.labels[:, 1].tolist()[0] == 1
