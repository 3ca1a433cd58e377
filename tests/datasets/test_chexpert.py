"""CheXpert with its known defects, and CheXlocalize's annotations as truth."""

import numpy as np
import pytest

from locus import datasets
from locus.core.errors import DataError, LeakError
from locus.datasets import base
from tests.datasets.trees import BATCHES, FRAME, MASKS, OBSERVATIONS, drawn, rewrite


def labels(root, **options):
    """Return image -> finding -> label of all training and validation images."""
    sides = [datasets.load("CheXpert", root, split, **options) for split in ("train", "val")]
    return {s.image_id: dict(zip(side.findings, s.labels.tolist(), strict=True)) for side in sides for s in side}


INSIDE, SMALL = ["", "CheXpert-v1.0", "CheXpert-v1.0-small", "CheXpert", BATCHES[0]], "CheXpert-v1.0-small"


@pytest.mark.parametrize(
    ("inside", "prefix"),
    [("", SMALL), *((inside, "CheXpert-v1.0") for inside in INSIDE), *(pytest.param(i, SMALL, marks=pytest.mark.slow) for i in INSIDE[1:])],
)
def test_paths_are_found_with_any_prefix(chexpert_tree, inside, prefix):
    root = chexpert_tree(inside=inside, prefix=prefix)
    shapes = [[s.image.shape for s in datasets.load("CheXpert", root, split)] for split in ("train", "val", "test")]
    assert shapes == [[(20, 15)] * 4, [(20, 15)], [(20, 15)] * 3]


def test_the_layout_of_chexlocalize_calls_valid_val(chexpert_tree):
    root = chexpert_tree(inside="CheXpert", test=True)
    (root / "CheXpert/valid").rename(root / "CheXpert/val")
    (root / "CheXpert/valid.csv").rename(root / "CheXpert/val_labels.csv")
    assert len(datasets.load("CheXpert:val=valid", root, "val")) == 3


def test_columns_are_read_by_name(chexpert_tree):
    """Pitfall: the test table has its columns in another order and no columns about the patient."""
    data = datasets.load("CheXpert", chexpert_tree(test=True), findings=14)
    assert list(data.findings) == OBSERVATIONS
    assert [f for f, label in zip(data.findings, data.labels[0], strict=True) if label == 1] == ["Edema"]
    assert np.isnan(data[0].meta["age"])


@pytest.mark.parametrize(
    ("policy", "cardiomegaly", "edema", "pneumonia"),
    [("ones", 1, 1, 1), ("zeros", 0, 0, 0), ("ignore", np.nan, np.nan, np.nan), ("mixed", 0, 1, np.nan)],
)
def test_uncertain_labels_are_converted_by_the_policy(chexpert_tree, policy, cardiomegaly, edema, pneumonia):
    found = labels(chexpert_tree(), findings=14, policy=policy)["patient00001_study1_view1_frontal"]
    np.testing.assert_equal([found["Cardiomegaly"], found["Edema"], found["Pneumonia"]], [cardiomegaly, edema, pneumonia])


def test_the_default_policy_is_mixed_for_5_findings_and_ignore_for_14(chexpert_tree):
    root = chexpert_tree()
    assert labels(root)["patient00004_study1_view1_frontal"]["Atelectasis"] == 1
    assert labels(root)["patient00003_study1_view1_frontal"]["Consolidation"] == 0
    assert np.isnan(labels(root, findings=14)["patient00004_study1_view1_frontal"]["Atelectasis"])
    assert datasets.load("CheXpert", root).describe["policy"] == "mixed"


def test_empty_cells_are_zero_or_unknown_by_option(chexpert_tree):
    root = chexpert_tree()
    assert labels(root)["patient00001_study2_view1_frontal"]["Cardiomegaly"] == 0
    found = labels(root, empty="ignore")["patient00001_study2_view1_frontal"]
    np.testing.assert_equal([found["Cardiomegaly"], found["Edema"], found["Pleural Effusion"]], [np.nan, 0, 1])


def test_abnormal_is_any_finding_but_devices_or_unknown(chexpert_tree):
    found = {image: row["Abnormal"] for image, row in labels(chexpert_tree(), findings=1).items()}
    assert found["patient00002_study1_view1_frontal"] == 0
    assert found["patient00003_study1_view1_frontal"] == 1
    assert np.isnan(found["patient00004_study1_view1_frontal"])


def test_lateral_views_are_excluded_by_default(chexpert_tree):
    root = chexpert_tree()
    count = {views: len(datasets.load(f"CheXpert:views={views}", root)) for views in ("frontal", "lateral", "all")}
    assert count == {"frontal": 3, "lateral": 1, "all": 4}
    assert datasets.load("CheXpert", root, views="lateral")[0].meta["view"] == "Lateral"


def test_a_patient_is_in_one_split_for_all_views(chexpert_tree):
    root = chexpert_tree()
    for split in ("train", "val"):
        frontal, every = (datasets.load("CheXpert", root, split, views=views).patients for views in ("frontal", "all"))
        assert {*frontal} == {*every}


def test_the_score_of_a_study_is_the_maximum_of_its_images(chexpert_tree):
    data = datasets.load("CheXpert", chexpert_tree())
    assert data.describe["studies"] == 2
    names, scores = base.maximum([[0.2], [0.7], [0.1]], [s.meta["study"] for s in data])
    assert (names, scores.tolist()) == (["patient64541/study1", "patient64542/study1"], [[0.7], [0.1]])


def test_masks_and_boxes_are_in_the_published_frame_of_smaller_files(chexpert_tree):
    sample = datasets.load("CheXpert", chexpert_tree())[0]
    assert (sample.frame, sample.image.shape) == (FRAME, (20, 15))
    assert {finding: boxes.tolist() for finding, boxes in sample.boxes.items()} == {"Cardiomegaly": [[8, 20, 20, 30]]}
    assert (sample.masks["Cardiomegaly"] == MASKS[sample.image_id]["Cardiomegaly"]).all()


def test_airspace_opacity_is_lung_opacity_and_abnormal_is_the_union_of_all_but_devices(chexpert_tree):
    root = chexpert_tree()
    sample, data = datasets.load("CheXpert", root, findings=14)[0], datasets.load("CheXpert", root, findings=1)
    assert sample.boxes["Lung Opacity"].tolist() == [[1, 2, 5, 9], [20, 5, 28, 12]]  # one per part
    assert set(sample.masks) == {"Cardiomegaly", "Lung Opacity"}
    assert sorted(data[0].boxes["Abnormal"].tolist()) == [[1, 2, 5, 9], [8, 20, 20, 30], [20, 5, 28, 12]]
    assert dict(data[2].boxes) == {}


def test_an_image_without_masks_has_the_frame_of_its_file(chexpert_tree):
    data = datasets.load("CheXpert", chexpert_tree(masks=None))
    assert [(s.frame, dict(s.boxes), dict(s.masks)) for s in data] == [((20, 15), {}, {})] * 3


def test_annotated_images_in_training_raise_a_leak_error(chexpert_tree):
    masks = {"patient00002_study1_view1_frontal": {"Edema": drawn((0, 0, 5, 5))}}
    with pytest.raises(LeakError, match=r"train\.csv \(1\): patient00002_study1_view1_frontal"):
        datasets.load("CheXpert", chexpert_tree(masks=masks))


def test_a_patient_in_both_tables_raises_a_leak_error(chexpert_tree):
    root = chexpert_tree()
    rewrite(root / "train.csv", "train/patient00004/", "train/patient64542/")
    rewrite(root / "valid.csv", "valid/patient64542/study1/view1", "valid/patient64542/study9/view1")
    with pytest.raises(LeakError, match=r"\(1\): patient64542.*train.*test"):
        datasets.load("CheXpert", root)


def test_valid_is_the_test_split_if_the_test_set_is_missing(chexpert_tree):
    root = chexpert_tree()
    assert set(datasets.load("CheXpert", root).patients) == {"patient64541", "patient64542"}
    with pytest.raises(DataError, match=r"val=valid.*valid\.csv.*test_labels\.csv.*val=train"):
        datasets.load("CheXpert:val=valid", root)
    chexpert_tree(test=True)
    assert datasets.load("CheXpert", root).patients == ["patient64741"]
    assert set(datasets.load("CheXpert:val=valid", root, "val").patients) == {"patient64541", "patient64542"}
    assert len(datasets.load("CheXpert:val=valid", root, "train")) == 5
    assert len(datasets.load("CheXpert", root, "train")) + len(datasets.load("CheXpert", root, "val")) == 5


def test_a_patient_of_an_unused_table_may_be_in_the_test_split(chexpert_tree):
    root = chexpert_tree(test=True)
    rewrite(root / "valid.csv", "valid/patient64542/study1/view1", "valid/patient64741/study9/view1")
    assert datasets.load("CheXpert", root).patients == ["patient64741"]
    with pytest.raises(LeakError, match=r"\(1\): patient64741.*val.*test"):
        datasets.load("CheXpert:val=valid", root)


def test_the_test_split_does_not_need_the_training_table(chexpert_tree):
    root = chexpert_tree()
    (root / "train.csv").unlink()
    assert len(datasets.load("CheXpert", root)) == 3
    with pytest.raises(DataError, match=r"train\.csv.*valid.*--partition"):
        datasets.load("CheXpert", root, "train")
