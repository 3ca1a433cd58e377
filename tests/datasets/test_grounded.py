"""TBX11K, MS-CXR and PadChest-GR, on small trees of the published layout."""

import json

import numpy as np
import pytest

from locus import datasets
from locus.core.errors import BadValueError, DataError, NoImagesError
from tests.datasets.trees import rewrite


def change(path, edit):
    """Edit the content of a JSON file in place."""
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def test_the_validation_file_of_tbx11k_is_the_test_split(tbx11k_tree):
    root = tbx11k_tree()
    test = datasets.load("tbx11k", root)
    assert [sample.image_id for sample in test] == ["health/0100.png", "sick/0101.png", "tb/0102.png", "tb/0103.png"]
    training = [datasets.load("tbx11k", root, split) for split in ("train", "val")]
    assert sum(map(len, training)) == 10
    assert test[3].boxes["Active Tuberculosis"].tolist() == [[30.5, 40, 130.5, 160]]
    assert test[0].labels.tolist() == [0, 0]


def test_tuberculosis_of_unknown_kind_is_an_unknown_label(tbx11k_tree):
    root = tbx11k_tree()
    samples = {s.image_id: s for split in ("train", "val", "test") for s in datasets.load("tbx11k", root, split)}
    assert np.isnan(samples["tb/0007.png"].labels).all(), "no box in the folder tb"
    assert np.isnan(samples["tb/0102.png"].labels).all(), "the category PulmonaryTuberculosis"
    (one,) = {tuple(s.labels) for s in datasets.load("tbx11k", root, findings=1) if s.image_id == "tb/0102.png"}
    assert one == (1,)


@pytest.mark.parametrize(
    ("edit", "fact"),
    [
        (lambda c: c["categories"][0].update(name="TB"), "TBX11K_val.json.*'TB'"),
        (lambda c: c["images"][0].pop("width"), "TBX11K_val.json is not a COCO file .*width"),
        (lambda c: c.update(images=[]), "TBX11K_val.json lists no images"),
        (lambda c: c["annotations"][1].update(bbox=[600, 40, 100, 120]), "TBX11K_val.json .*outside"),
        (lambda c: c["images"][0].update(file_name="health/0000.png"), "TBX11K_val.json has 1 images of TBX11K_train.json"),
    ],
)
def test_a_broken_file_of_tbx11k_is_an_error_with_its_name(tbx11k_tree, edit, fact):
    root = tbx11k_tree()
    change(root / "annotations/json/TBX11K_val.json", edit)
    with pytest.raises(DataError, match=fact):
        datasets.load("tbx11k", root)


def test_a_phrase_of_an_image_is_a_case_with_its_boxes(ms_cxr_tree):
    data = datasets.load("ms_cxr", ms_cxr_tree())
    by_case = {sample.image_id: sample for sample in data}
    assert sorted(by_case) == ["image0.jpg#0", "image0.jpg#1", "image1.jpg#0", "image2.jpg#0"]
    first, second = by_case["image0.jpg#0"], by_case["image0.jpg#1"]
    assert (first.meta["phrase"], second.meta["phrase"]) == ("left basilar opacity", "small effusion")
    assert first.patient_id == second.patient_id == "10000030"
    assert (first.boxes["Pneumonia"].tolist(), sorted(second.boxes)) == ([[2, 3, 12, 11]], ["Pleural Effusion"])
    assert len(by_case["image2.jpg#0"].boxes["Pneumonia"]) == 2
    assert np.nansum(first.labels) == 1
    assert np.isnan(first.labels).sum() == 7


def test_ms_cxr_is_a_test_set_unless_it_is_split(ms_cxr_tree):
    root = ms_cxr_tree()
    with pytest.raises(NoImagesError, match="whole=True makes every image a test image"):
        datasets.load("ms_cxr", root, "train")
    assert len(datasets.load("ms_cxr:whole=False", root, "train")) > 0


@pytest.mark.parametrize(
    ("edit", "fact"),
    [
        (lambda c: c["annotations"][1].pop("bbox"), "annotation 1: the phrase 'small effusion' has no box"),
        (lambda c: c["annotations"][1].update(label_text=" "), "annotation 1 has no phrase"),
        (lambda c: c["annotations"][1].update(image_id=9), "annotation 1: the image 9 is not listed"),
        (lambda c: c["categories"][0].update(name="Mass"), "'Mass'"),
        (lambda c: c["images"][0].update(path="../outside.jpg"), r"invalid path '\.\./outside\.jpg'"),
        (lambda c: c.pop("categories"), "not MS-CXR's COCO file .*categories"),
    ],
)
def test_a_broken_file_of_ms_cxr_is_an_error_with_the_annotation(ms_cxr_tree, edit, fact):
    root = ms_cxr_tree()
    change(root / "MS_CXR_Local_Alignment_v1.1.0.json", edit)
    with pytest.raises(DataError, match=rf"MS_CXR_Local_Alignment_v1\.1\.0\.json.*{fact}"):
        datasets.load("ms_cxr", root)


def test_boxes_of_padchest_gr_are_shares_of_the_image_and_those_of_the_first_reader_are_truth(padchest_gr_tree):
    data = datasets.load("padchest_gr", padchest_gr_tree())
    assert data.findings == ("mass", "nodule"), "cardiomegaly has no box"
    sample, readings = data[0], data.readings(0)
    assert sample.boxes["nodule"].tolist() == [[8, 8, 16, 16]]
    assert readings["second"]["nodule"].tolist() == [[8, 8, 16, 24]]
    assert sample.labels.tolist() == [1, 1]
    assert {s.patient_id for s in data} == {f"p{n}" for n in range(3, 30, 4)}


def test_images_of_padchest_gr_may_lie_where_the_archive_puts_them(padchest_gr_tree):
    root = padchest_gr_tree()
    (root / "Padchest_GR_files").mkdir()
    (root / "PadChest_GR").rename(root / "Padchest_GR_files/PadChest_GR")
    assert len(datasets.load("padchest_gr", root)) == 14


@pytest.mark.parametrize(
    ("edit", "fact"),
    [
        (lambda c: c[1]["findings"][1].update(boxes=[[10, 20, 200, 300]]), r"report 2 has the box \[10, 20, 200, 300\].*from 0 to 1"),
        (lambda c: c[1]["findings"][1].update(extra_boxes=[[0.1, 0.2]]), "report 2 has the box"),
        (lambda c: c[1].pop("ImageID"), "report 2 has no image"),
        (lambda c: c[1].update(ImageID=c[0]["ImageID"]), "report 2: the image .* has a second report"),
        (lambda c: c[1].update(ImageID="other.png"), r"the image other\.png is not in master_table\.csv"),
        (lambda c: c[1]["findings"][1].pop("labels"), "report 2 cannot be read .*labels"),
    ],
)
def test_a_broken_report_of_padchest_gr_is_an_error_with_its_number(padchest_gr_tree, edit, fact):
    root = padchest_gr_tree()
    change(root / "grounded_reports_20240819.json", edit)
    with pytest.raises(DataError, match=rf"grounded_reports_20240819\.json.*{fact}"):
        datasets.load("padchest_gr", root)


def test_an_unknown_split_or_column_of_padchest_gr_is_an_error(padchest_gr_tree):
    root = padchest_gr_tree()
    with pytest.raises(DataError, match="least=1"):
        datasets.load("padchest_gr:least=1000", root)
    with pytest.raises(BadValueError, match="findings"):
        datasets.load("padchest_gr", root, findings=9)
    rewrite(root / "master_table.csv", ",validation", ",dev")
    with pytest.raises(DataError, match=r"master_table\.csv.*dev"):
        datasets.load("padchest_gr", root)
    rewrite(root / "master_table.csv", "PatientID", "Patient")
    with pytest.raises(DataError, match=r"master_table\.csv.*PatientID"):
        datasets.load("padchest_gr", root)


def test_every_data_set_says_licence_access_size_and_what_boxes_mean():
    for name in datasets.names():
        about = vars(datasets.REGISTRY.get(name).about)
        assert [field for field, text in about.items() if not text] == [], name
