"""NIH ChestX-ray14 with its known defects, on tiny copies and on real images if available."""

from pathlib import Path

import numpy as np
import pytest

from locus import datasets
from locus.core.errors import BadValueError, DataError, LeakError, NoImagesError
from tests.datasets.trees import HEADER_V2020, rewrite


def test_boxes_are_edges_in_the_1024_frame_and_clipped_and_infiltrate_means_infiltration(nih_tree, caplog):
    data = datasets.load("NIH", nih_tree())
    assert (data[0].frame, data[0].image.shape) == ((1024, 1024), (16, 16))
    assert data[0].boxes["Infiltration"].tolist() == [[100.5, 200.25, 400.5, 600.25]]
    assert data[0].labels.tolist() == [0, 0, 0, 1, 0, 0, 0, 0]
    assert (data[1].boxes["Nodule"].tolist(), data.describe["boxes_clipped"]) == ([[900, 950, 1024, 1024]], 1)
    assert "clipped 1 boxes" in caplog.text


@pytest.mark.parametrize("header", [HEADER_V2020 + ",", HEADER_V2020 + ",,"])
def test_the_broken_header_of_2017_is_read(nih_tree, header):
    data = datasets.load("NIH", nih_tree(header, "Data_Entry_2017.csv"), findings=14)
    assert data.labels.sum() == 4
    assert data[0].meta == {"age": 44.0, "sex": "M", "view": "PA"}


def test_an_impossible_age_is_nan(nih_tree):
    root = nih_tree(lists=False)
    ages = {s.image_id: s.meta["age"] for split in ("train", "val", "test") for s in datasets.load("NIH", root, split, "patient")}
    assert np.isnan(ages["00000002_000.png"])
    assert ages["00000001_000.png"] == 57


def test_images_are_found_in_a_mixture_of_both_layouts(nih_tree):
    data = datasets.load("NIH", nih_tree())
    assert {Path(s.source).parts[-2] for s in data} == {"images"}
    assert {Path(s.source).parts[-3] for s in data} >= {"images_001"}


@pytest.mark.parametrize("suffix", [".jpg", ".PNG"])
def test_copies_with_another_suffix_are_the_same_images(nih_tree, suffix):
    root = nih_tree()
    names = [sample.image_id for sample in datasets.load("NIH", root)]
    for path in [*root.rglob("*.png")]:
        path.rename(path.with_suffix(suffix))
    assert [sample.image_id for sample in datasets.load("NIH", root)] == names


def test_lists_that_share_a_patient_raise_a_leak_error(nih_tree):
    """Pitfall: a random split has patients on both sides."""
    root = nih_tree()
    rewrite(root / "test_list.txt", "00000004_000.png", "00000004_000.png\n00000001_001.png")
    rewrite(root / "train_val_list.txt", "00000001_001.png\n", "")
    with pytest.raises(LeakError, match=r"\(1\): 00000001 .*train.*test"):
        datasets.load("NIH", root)


def test_a_boxed_image_in_training_raises_a_leak_error(nih_tree):
    """Pitfall: a random split has boxed images in training."""
    root = nih_tree()
    rewrite(root / "test_list.txt", "00000004_000.png\n", "")
    rewrite(root / "train_val_list.txt", "00000003_000.png", "00000003_000.png\n00000004_000.png")
    with pytest.raises(LeakError, match=r"training.*\(1\): 00000004_000\.png"):
        datasets.load("NIH", root)


@pytest.mark.parametrize("partition", ["official", "kfold"])
def test_a_folder_without_images_raises_an_error_with_the_layout(tmp_path, partition):
    (tmp_path / "notes.md").touch()
    with pytest.raises(NoImagesError, match=r"no image file.*images/\*\.png.*test_list\.txt"):
        datasets.load("NIH", tmp_path, partition=partition)


def test_a_part_of_the_labelled_lists_raises_an_error(nih_tree):
    root = nih_tree()
    (root / "train_val_list.txt").rename(root / "train_list.txt")
    with pytest.raises(DataError, match=r"train_list\.txt.*val_list\.txt"):
        datasets.load("NIH", root)


def test_labelled_lists_are_used_without_the_official_ones(nih_tree):
    root = nih_tree(lists=False)
    zeros = " 0" * 12
    (root / "train_list.txt").write_text(f"00000001_000.png 0 1{zeros}\n00000002_000.png 0 0{zeros}\n")
    (root / "val_list.txt").write_text(f"images_001/00000003_000.png 0 0{zeros}\n")
    (root / "test_list.txt").write_text(f"00000005_001.png 1 0{zeros}\n")
    train = datasets.load("NIH", root, "train")
    assert train.describe["lists"] == "labelled"
    assert train.labels[:, 1].tolist() == [1, 0]
    assert datasets.load("NIH", root, "val").patients == ["00000003"]
    assert datasets.load("NIH", root)[0].boxes["Atelectasis"].tolist() == [[10, 20, 40, 60]]


def test_lists_with_8_labels_do_not_support_14_findings(nih_tree):
    root = nih_tree(lists=False)
    for name, image in (("train", "00000001_000"), ("val", "00000003_000"), ("test", "00000004_000")):
        (root / f"{name}_list.txt").write_text(f"{image}.png 0 0 0 0 0 0 0 1\n")
    assert datasets.load("NIH", root).labels.tolist() == [[0, 0, 0, 0, 0, 0, 0, 1]]
    with pytest.raises(BadValueError, match=r"Consolidation, Edema, Emphysema.* 3 .* 8$"):
        datasets.load("NIH", root, findings=14)


def test_abnormal_is_any_finding_and_its_boxes_are_all_boxes(nih_tree):
    data = datasets.load("NIH", nih_tree(), findings=1)
    assert data.findings == ("Abnormal",)
    assert data.labels.tolist() == [[1], [1], [1]]
    assert data[2].boxes["Abnormal"].tolist() == [[10, 20, 40, 60]]


def test_the_experts_lists_are_used_for_abnormality(nih_tree):
    root = nih_tree()
    (root / "binary_train.txt").write_text("00000001_000.png 1\n")
    (root / "binary_val.txt").write_text("00000002_000.png 0\n")
    (root / "binary_test_attending_rad.txt").write_text("00000005_000.png 0\n")
    data = datasets.load("NIH", root, findings=1, experts="attending_rad")
    assert (data.describe["lists"], data.labels.tolist()) == ("experts", [[0]])
    assert datasets.load("NIH", root, findings=8).describe["lists"] == "official"
    assert datasets.load("NIH", root, findings=1).describe["lists"] == "experts"
    with pytest.raises(DataError, match=r"experts=rad_consensus_voted.*binary_test_rad_consensus_voted\.txt"):
        datasets.load("NIH", root, findings=1, experts="rad_consensus_voted")
    (root / "binary_test_rad_consensus_voted.txt").write_text("00000005_000.png 1\n")
    assert datasets.load("NIH", root, findings=1).labels.tolist() == [[1]]


def test_the_sample_equals_the_published_data(nih_sample):
    splits = {split: datasets.load("NIH", nih_sample, split) for split in ("train", "val", "test")}
    assert (len(splits["train"]) + len(splits["val"]), len(splits["test"])) == (900, 637)
    assert sum(len(boxes) for s in splits["test"] for boxes in s.boxes.values()) == 604
    assert splits["test"].describe["boxed_images"] == 538
    assert not any(s.boxes for split in ("train", "val") for s in splits[split])
    assert {s.frame for s in splits["test"]} == {(1024, 1024)}
    assert splits["test"][0].image.shape == (320, 320)
    findings = splits["test"].findings
    assert all(sample.labels[findings.index(finding)] == 1 for sample in splits["test"] for finding in sample.boxes)


def test_the_folds_of_the_sample_partition_its_patients(nih_sample):
    held_out = [datasets.load("NIH", nih_sample, "test", "kfold", fold=fold) for fold in range(5)]
    assert sum(map(len, held_out)) == 1537
    assert sum(data.describe["boxed_images"] for data in held_out) == 538
    train = datasets.load("NIH", nih_sample, "train", "kfold", fold=0)
    assert not set(train.patients) & set(held_out[0].patients)


def test_the_originals_decode_to_gray_with_and_without_alpha(nih_originals):
    data = datasets.load("NIH", nih_originals)
    assert len(data) == 34
    assert {s.image.shape for s in data} == {(1024, 1024)}
    with pytest.raises(DataError, match=rf" {nih_originals} .*train.*--partition"):
        datasets.load("NIH", nih_originals, "train")


def test_no_finding_beside_a_finding_is_an_error(nih_tree):
    root = nih_tree()
    table = root / "Data_Entry_2017_v2020.csv"
    table.write_text(table.read_text().replace(",Infiltration", ",Infiltration|No Finding", 1))
    with pytest.raises(DataError, match="'No Finding' beside a finding"):
        datasets.load("NIH", root)


@pytest.mark.parametrize(
    ("spec", "options"), [("NIH", {"findings": 8}), ("NIH", {"findings": 1, "partition": "patient"}), ("NIH:truth=chestx_det", {})]
)
def test_labels_of_experts_are_refused_where_they_have_no_effect(nih_tree, spec, options):
    with pytest.raises(BadValueError, match="experts=attending_rad has no effect with"):
        datasets.load(spec, nih_tree(), experts="attending_rad", **options)


def test_spaces_beside_the_bars_between_findings_do_not_matter(nih_tree):
    root = nih_tree()
    before = datasets.load("NIH", root, "train", findings=14).labels
    table = root / "Data_Entry_2017_v2020.csv"
    assert "|" in table.read_text()
    table.write_text(table.read_text().replace("|", " | ", 1))
    assert (datasets.load("NIH", root, "train", findings=14).labels == before).all()
