"""SIIM COVID-19, RSNA pneumonia, VinDr-CXR and ChestX-Det, with their known defects."""

import json

import numpy as np
import pytest

from locus import datasets
from locus.core.errors import BadValueError, DataError
from locus.datasets.vindr_cxr import agreed

SPLITS = ("train", "val", "test")


def _everything(name, root, **options):
    return {sample.image_id: sample for split in SPLITS for sample in datasets.load(name, root, split, **options)}


def test_siim_studies_with_several_images_and_broken_files_are_excluded_and_counted(siim_covid_tree, caplog):
    root = siim_covid_tree()
    found = _everything("siim_covid:balanced=none", root)
    assert set(found) == {f"image{i:02}" for i in range(12)} - {"image03", "image05"}
    assert {"image03", "lateral"} <= set(_everything("siim_covid:balanced=none,studies=all", root))
    about = datasets.load("siim_covid", root).describe
    assert (about["images_unreadable"], about["images_of_studies_with_several"]) == (1, 2)
    assert "1 files cannot be read and are skipped: cannot decode" in caplog.text


def test_siim_images_have_one_of_four_appearances_with_its_boxes(siim_covid_tree):
    found = _everything("siim_covid", siim_covid_tree(), findings=4)
    assert {int(sample.labels.sum()) for sample in found.values()} == {1}
    assert found["image01"].boxes["Typical Appearance"].tolist() == [[4.5, 2, 12.5, 12], [20, 2, 32, 12]]
    assert (found["image01"].frame, found["image04"].boxes) == ((24, 32), {})


def test_siim_pneumonia_is_balanced_in_training(siim_covid_tree):
    root = siim_covid_tree()
    train = [datasets.load("siim_covid", root, "train", seed=seed) for seed in (0, 1, 2, 0)]
    assert [data.labels.mean() for data in train] == [0.5] * 4
    assert [s.image_id for s in train[0]] == [s.image_id for s in train[3]]
    assert sum(data.describe["left_out_to_balance"] for data in train) > 0


def test_siim_test_images_are_balanced_only_on_request(siim_covid_tree):
    root = siim_covid_tree()
    for split in ("val", "test"):
        whole = datasets.load("siim_covid:balanced=none", root, split)
        assert [s.image_id for s in datasets.load("siim_covid", root, split)] == [s.image_id for s in whole]
    every = [datasets.load("siim_covid:balanced=all", root, "test", seed=seed) for seed in range(8)]
    assert sum(data.describe["left_out_to_balance"] for data in every) > 0


def test_siim_patients_come_from_the_dicom_files_and_pixels_do_not_depend_on_the_compression(siim_covid_tree):
    found = _everything("siim_covid:balanced=none", siim_covid_tree())
    assert found["image00"].patient_id == found["image10"].patient_id == "patient0"
    assert found["image00"].meta == {"sex": "F", "study": "study00", "appearance": "Negative for Pneumonia"}
    assert (found["image00"].image == found["image04"].image).all()
    assert (found["image01"].image == 255 - found["image00"].image).all()


def test_rsna_boxes_are_clipped_edges_and_duplicate_rows_count_once(rsna_pneumonia_tree):
    data = datasets.load("rsna_pneumonia:whole=True", rsna_pneumonia_tree())
    assert (len(data), data.labels.sum()) == (10, 5)
    assert data[1].boxes["Pneumonia"].tolist() == [[264, 152, 477, 531], [562, 152, 1024, 605]]
    assert (data[0].boxes, data[1].frame, data.describe["boxes_clipped"]) == ({}, (1024, 1024), 5)
    assert data[9].meta == {"class": "Lung Opacity", "nih": "00000001_009.png", "age": 49.0, "sex": "M", "view": "PA"}
    assert (data[0].meta["age"], "view" in data[0].meta) == (40.0, False)


def test_rsna_patients_are_those_of_nih_if_the_mapping_exists(rsna_pneumonia_tree):
    root = rsna_pneumonia_tree()
    assert len(set(datasets.load("rsna_pneumonia:whole=True", root).patients)) == 8
    (root / "pneumonia-challenge-dataset-mappings_2018.json").unlink()
    data = datasets.load("rsna_pneumonia:whole=True", root)
    assert (len(set(data.patients)), data.describe["patients"]) == (10, "unknown: each image counts as one")


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_whole_data_set_has_no_training_split(rsna_pneumonia_tree, split):
    with pytest.raises(DataError, match=f"^whole=True .* {split} is empty: leave whole out"):
        datasets.load("rsna_pneumonia:whole=True", rsna_pneumonia_tree(), split)


@pytest.mark.parametrize("name", ["siim_covid", "vindr_cxr"])
def test_a_folder_of_broken_files_raises_a_clear_error(request, name):
    root = request.getfixturevalue(f"{name}_tree")()
    for path in [*root.rglob("*.dcm"), *root.rglob("*.dicom")]:
        path.write_bytes(b"this is no DICOM file")
    with pytest.raises(DataError, match=rf"{root}.* \d+ .*\.(dcm|dicom): .* \d+ more$"):
        _everything(name, root)


@pytest.mark.byhand
def test_the_truth_of_vindr_is_the_agreement_of_two_readers_whose_readings_are_available(vindr_cxr_tree):
    root = vindr_cxr_tree()
    data = datasets.load("vindr_cxr:whole=True", root)
    heart, opacity = data.findings.index("Cardiomegaly"), data.findings.index("Lung Opacity")
    assert (data.labels[1, heart], data.labels[1, opacity], data.labels[0].sum()) == (1, 0, 0)
    assert data[1].boxes["Cardiomegaly"].tolist() == [[12.5, 6, 28.5, 18.5]]
    assert set(data[1].boxes) == {"Cardiomegaly"}
    anybody = datasets.load("vindr_cxr:whole=True,votes=1", root)
    assert anybody[1].boxes["Lung Opacity"].tolist() == [[2, 2, 32, 9]]
    assert [data[i].frame for i in (0, 1)] == [(24, 32), (48, 32)]
    marked = {"R8": ["Cardiomegaly"], "R9": ["Cardiomegaly"], "R10": ["Lung Opacity"]}
    assert {reader: sorted(boxes) for reader, boxes in data.readings(1).items()} == marked


def test_the_consensus_of_physionet_is_the_test_split_with_22_findings(vindr_cxr_tree):
    data = datasets.load("vindr_cxr", vindr_cxr_tree(physionet=True), findings=22)
    assert [sample.image_id for sample in data] == ["test0", "test1", "test2"]
    assert data[0].boxes["Rib fracture"].tolist() == [[1, 2, 9, 8]]
    assert data[2].boxes["Cardiomegaly"].tolist() == [[2.5, 2.5, 30, 20]]


@pytest.mark.byhand
def test_overlapping_boxes_of_enough_readers_are_merged():
    readings = {"a": {"Mass": np.array([[0, 0, 10, 10.0]])}, "b": {"Mass": np.array([[0, 0, 10, 5.0], [50, 50, 60, 60.0]])}, "c": {}}
    assert agreed(readings, "Mass", 1).tolist() == [[0, 0, 10, 7.5], [50, 50, 60, 60]]
    assert agreed(readings, "Mass", 2).tolist() == [[0, 0, 10, 7.5]]
    assert agreed(readings, "Mass", 3).shape == agreed({}, "Mass", 1).shape == (0, 4)


def test_chestx_det_has_boxes_and_masks_of_the_same_findings(chestx_det_tree):
    data = datasets.load("chestx_det", chestx_det_tree())
    assert data[0].boxes["Mass"].tolist() == [[100, 200, 300, 400], [500, 500, 600, 700]]
    assert data[0].boxes["Effusion"].tolist() == [[0, 800, 200, 1024]]
    mask = data[0].masks["Mass"]
    assert (mask.shape, mask[300, 200], mask[690, 510], mask[510, 510]) == ((1024, 1024), True, False, True)
    assert mask[:, :400].sum() == mask[200:400, 100:300].sum() == 200**2
    assert (data[1].boxes, data[1].masks, data.labels[1].sum()) == ({}, {}, 0)


def test_chestx_det10_has_ten_findings_and_no_masks(chestx_det_tree):
    root = chestx_det_tree(ten=True)
    data = datasets.load("chestx_det", root)
    assert (len(data.findings), data[0].masks, len(data[0].boxes["Mass"])) == (10, {}, 2)
    with pytest.raises(BadValueError, match=r"chestx_det.* 13 .* 10$"):
        datasets.load("chestx_det", root, findings=13)


def test_outlines_without_boxes_get_tight_boxes(chestx_det_tree):
    path = chestx_det_tree() / "ChestX_Det_test.json"
    entries = json.loads(path.read_text())
    path.write_text(json.dumps([{k: v for k, v in entry.items() if k != "boxes"} for entry in entries]))
    assert datasets.load("chestx_det", path.parent)[0].boxes["Mass"].tolist() == [[100, 200, 300, 400], [500, 500, 600, 700]]


@pytest.mark.parametrize("name", ["rsna_pneumonia", "chestx_det"])
def test_json_with_a_byte_order_mark_is_read(request, name):
    root = request.getfixturevalue(f"{name}_tree")()
    usual = _everything(name, root)
    for path in root.glob("*.json"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert list(_everything(name, root)) == list(usual)


def change(root, table, old, new, count=-1):
    """Replace a text that a table contains."""
    text = (root / table).read_text()
    assert old in text
    (root / table).write_text(text.replace(old, new, count))


STUDIES, BOXES = "train_study_level.csv", "train_image_level.csv"


@pytest.mark.parametrize(
    ("table", "old", "new", "fact"),
    [
        (STUDIES, "Typical Appearance", "typical", "has no column 'Typical Appearance'"),
        (
            STUDIES,
            "Negative for Pneumonia,Typical Appearance",
            "Typical Appearance,Negative for Pneumonia",
            r"boxes of studies .* \(3\): image01",
        ),
        (BOXES, "boxes,label", "label,boxes", "the boxes of image01 are 'opacity 1"),
        (BOXES, "'width': 8, 'height': 10}", "'width': 12.5, 'height': 12}", "the boxes of image01 are corners, as in label"),
    ],
)
def test_siim_tables_with_other_columns_are_refused(siim_covid_tree, table, old, new, fact):
    root = siim_covid_tree()
    change(root, table, old, new)
    with pytest.raises(DataError, match=fact):
        datasets.load("siim_covid", root)


RSNA_MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"


@pytest.mark.parametrize(
    ("table", "old", "new", "fact"),
    [
        ("stage_2_train_labels.csv", ",width", ",w", "has no column 'width'"),
        ("stage_2_train_labels.csv", "patientId,x,y", "patientId,x0,y0", "has no column 'x'"),
        (
            "stage_2_detailed_class_info.csv",
            "patientId,class",
            "class,patientId",
            r"images that stage_2_train_labels.csv lacks \(2\): Normal",
        ),
        (
            "stage_2_detailed_class_info.csv",
            "0004cfab-01,Lung Opacity",
            "0004cfab-01,Normal",
            r"classes that contradict Target .*\(1\): 0004cfab-01",
        ),
        (RSNA_MAPPING, "0004cfab-00", "0004cfab-99", r"no entries of images .*\(1\): 0004cfab-00"),
        (RSNA_MAPPING, "0004cfab-00", "0004cfab-01", r"several entries of one subset_img_id \(1\): 0004cfab-01"),
        (RSNA_MAPPING, "00000000_000.png", "00000001_001.png", r"several entries of one img_id \(1\): 00000001_001"),
        (RSNA_MAPPING, "00000000_000.png", "x", r"img_id that are no file names of NIH \(1\): x"),
    ],
)
def test_rsna_tables_that_contradict_each_other_are_refused(rsna_pneumonia_tree, table, old, new, fact):
    root = rsna_pneumonia_tree()
    change(root, table, old, new)
    with pytest.raises(DataError, match=rf"{table}.*{fact}"):
        datasets.load("rsna_pneumonia:whole=True", root)


def test_rsna_corners_under_width_and_height_are_refused(rsna_pneumonia_tree):
    root = rsna_pneumonia_tree()
    change(root, "stage_2_train_labels.csv", "264.0,152.0,213.0,379.0", "264,152,477,531")
    change(root, "stage_2_train_labels.csv", "562,152,500,453", "562,152,1000,605")
    with pytest.raises(DataError, match=r"look like corners .*\(5 of 10 reach beyond"):
        datasets.load("rsna_pneumonia:whole=True", root)


def test_nih_corners_under_width_and_height_are_refused(nih_tree):
    root = nih_tree(boxes=["00000004_000.png,Infiltrate,100,200,400,600,,,", "00000005_000.png,Nodule,600,700,800,900,,,"])
    with pytest.raises(DataError, match=r"BBox_List_2017.csv .*look like corners .*\(1 of 2 reach beyond"):
        datasets.load("NIH", root)


@pytest.mark.parametrize(
    ("old", "new", "fact"),
    [
        ("class_id,rad_id", "class_id,reader", "has no column 'rad_id'"),
        ("x_min,y_min,x_max,y_max", "x,y,width,height", "has no column 'x_min'"),
        ("x_min,y_min,x_max,y_max", "x_max,y_max,x_min,y_min", "inverted"),
        ("class_name,class_id", "class_id,class_name", "unknown finding"),
        (",3,R8", ",5,R8", r"class_id that are not those of class_name \(1\): 5 \(Cardiomegaly\)"),
        (",3,R", ",4,R", r"class_id that are not those of class_name \(1\): 4 \(Cardiomegaly\)"),
        (",R8,", ",,", r"rows without rad_id"),
        ("Lung opacity,7,R10,2,2,40,9", "No finding,14,R8,,,,", r"'No finding' beside a finding \(4\): .*1 of R8"),
    ],
)
def test_vindr_tables_with_other_columns_or_contradictions_are_refused(vindr_cxr_tree, old, new, fact):
    root = vindr_cxr_tree()
    change(root, "train.csv", old, new)
    with pytest.raises(DataError, match=rf"train.csv.*{fact}"):
        datasets.load("vindr_cxr", root)
