"""NIH's tables that ship with the package, without images."""

import csv
import gzip

import numpy as np
import pytest

import locus
from locus import datasets
from locus.core.errors import BadValueError, DataError, LeakError, NoImagesError
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


@pytest.fixture
def part(tmp_path):
    """The tables of the first 2,000 images of the table of labels, as a folder."""
    entries = read("Data_Entry_2017_v2020.csv").splitlines()[:2001]
    images, test = [line.partition(",")[0] for line in entries[1:]], read("test_list.txt").split()
    training = sorted({*images} - {*test})
    boxes = read("BBox_List_2017.csv").splitlines()
    tables = {
        "Data_Entry_2017_v2020.csv": entries,
        "BBox_List_2017.csv": [boxes[0], *(line for line in boxes[1:] if line.partition(",")[0] in images)],
        "test_list.txt": [image for image in test if image in images],
        "train_val_list.txt": training,
    }
    for name, lines in tables.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def ids(data):
    return [sample.image_id for sample in data]


def write_images(root, names):
    (root / "images_001").mkdir()
    for name in names:
        (root / "images_001" / name).touch()


def test_a_folder_changes_nothing_without_images_unless_it_is_the_option_tables(part, data, monkeypatch):
    monkeypatch.setenv("LOCUS_DATA", str(part.parent))
    part.rename(part.parent / "NIH")
    root = part.parent / "NIH"
    for loaded in (locus.load_dataset("NIH", root=root, images=False), locus.load_dataset("NIH:images=False")):
        assert (ids(loaded), loaded.describe) == (ids(data), data.describe)
    explicit = locus.load_dataset("NIH", images=False, tables=str(root))
    assert ids(explicit) == (root / "test_list.txt").read_text().split()
    assert {*explicit.describe["tables"]} == {path.name for path in root.iterdir()}


def test_the_option_tables_needs_a_folder_with_tables(tmp_path):
    for folder, fact in ((tmp_path, "none of NIH's tables"), (tmp_path / "no", "is missing")):
        with pytest.raises(DataError, match=fact):
            locus.load_dataset("NIH", images=False, tables=str(folder))


@pytest.mark.parametrize("split", ["val", "test"])
def test_images_alone_have_the_published_labels_boxes_and_split(tmp_path, split, caplog):
    whole = locus.load_dataset("NIH", split=split, images=False)
    expected = [whole[i] for i in range(0, len(whole), len(whole) // 30)] + [s for s in whole if s.boxes][:5]
    write_images(tmp_path, ids(expected))
    alone = locus.load_dataset("NIH", root=tmp_path, split=split)
    assert {*ids(alone)} == {*ids(expected)}
    samples = {sample.image_id: sample for sample in alone}
    for sample in expected:
        assert samples[sample.image_id].boxes.keys() == sample.boxes.keys()
        np.testing.assert_array_equal(samples[sample.image_id].labels, sample.labels)
    assert alone.describe["tables"] == whole.describe["tables"]
    assert alone.describe["images_without_file"] == 0, "an image that is only in the published lists is not missing"
    with pytest.raises(NoImagesError, match=r"list no .* images: use --partition"):
        locus.load_dataset("NIH", root=tmp_path, split="test" if split == "val" else "train")
    (line,) = [text for text in caplog.messages if "published files" in text]
    assert f"{tmp_path} has no Data_Entry_2017_v2020.csv, BBox_List_2017.csv, train_val_list.txt, test_list.txt" in line


@pytest.mark.parametrize("absent", ["Data_Entry_2017_v2020.csv", "BBox_List_2017.csv", "train_val_list.txt", "test_list.txt"])
def test_a_missing_table_is_replaced_by_the_published_one_with_a_warning(part, absent, caplog):
    write_images(part, (part / "test_list.txt").read_text().split())
    whole = locus.load_dataset("NIH", root=part)
    assert not [text for text in caplog.messages if "published files" in text]
    (part / absent).unlink()
    without = locus.load_dataset("NIH", root=part)
    assert ids(without) == ids(whole)
    boxed = [(sample.image_id, *sample.boxes) for sample in whole if sample.boxes]
    assert boxed
    assert [(sample.image_id, *sample.boxes) for sample in without if sample.boxes] == boxed
    np.testing.assert_array_equal(without.labels, whole.labels)
    (line,) = [text for text in caplog.messages if "published files" in text]
    assert f"{part} has no {absent}:" in line
    shipped = "test_list.txt" if absent == "train_val_list.txt" else absent
    assert {f"{shipped}.gz"} == {name for name in without.describe["tables"] if name.endswith(".gz")}


def test_own_lists_that_contradict_the_published_ones_raise_a_leak_error(part):
    images = (part / "test_list.txt").read_text().split()
    write_images(part, images)
    (part / "test_list.txt").unlink()
    (part / "train_val_list.txt").write_text("\n".join(images))
    with pytest.raises(LeakError):
        locus.load_dataset("NIH", root=part)


def test_these_options_cannot_be_combined_with_the_second_teams_truth():
    for option in ("images=False", "tables=x"):
        with pytest.raises(BadValueError, match=f"{option.removesuffix('=x')} cannot be combined"):
            locus.load_dataset(f"NIH:truth=chestx_det,{option}")


def test_nih_is_at_hand_without_a_folder_only_without_images(monkeypatch, tmp_path):
    monkeypatch.setenv("LOCUS_DATA", str(tmp_path))
    assert (datasets.at_hand("NIH"), datasets.at_hand("NIH:images=False")) == (False, True)
    datasets.check("NIH:images=False")
