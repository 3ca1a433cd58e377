"""Broken tables, invalid options and missing files of all data sets."""

import pytest

from locus import datasets
from locus.core.errors import BadValueError, DataError
from tests.datasets.trees import rewrite

BROKEN = {
    ("NIH", "Data_Entry_2017_v2020.csv"): [
        ("Patient ID", "Patient", "'Patient ID'.*Image Index, Finding Labels"),
        ("Nodule", "Nodul", "Data_Entry.*finding.*'Nodul'.*'Nodule'"),
        ("00000005_001.png", "00000005_000.png", r"Data_Entry.* \(1\): 00000005_000\.png"),
    ],
    ("NIH", "BBox_List_2017.csv"): [
        ("Finding Label", "Finding", "'Finding Label'.*Image Index, Finding"),
        ("Nodule", "Noodle", "finding.*'Noodle'.*'Nodule'"),
        ("100.5,200.25", "1100.5,200.25", r"outside.*\(1\): 00000004_000\.png Infiltration"),
        ("30,40", "0,40", r"empty.*\(1\): 00000005_001\.png Atelectasis"),
        ("100.5", "left", r"numbers \(1\): 'left'"),
        ("00000005_001.png,Atelectasis", "00000005_000.png,Nodule", r"\(1\).*5_000\.png Nodule"),
    ],
    ("NIH", "test_list.txt"): [
        ("00000005_000.png", "00000009_000.png", r"Data_Entry_2017 \(1\): 00000009_000\.png"),
        ("00000005_000.png", "00000004_000.png", r"duplicate.*\(1\): 00000004_000\.png"),
        ("00000005_000.png", "00000005_000.png 1", " 1 .* 2 cells"),
    ],
    ("CheXpert", "valid.csv"): [
        ("Lung Lesion", "Lesion", r"valid\.csv.*'Lung Lesion'.*Path, Sex"),
        ("view2_frontal", "view1_frontal", r"valid\.csv.*duplicate.*\(1\): patient64541_study1_view1"),
        ("CheXpert-v1.0-small/valid/patient64541", "../../patient64541", r"\(2\): '\.\./\.\./patient"),
        (",1.0,", ",2.0,", r"valid\.csv.*Cardiomegaly.*1, 0, -1.*'2\.0'"),
    ],
    ("CheXpert", "CheXlocalize/gt_segmentations_val.json"): [
        ("Cardiomegaly", "Heart", r"val\.json.*finding.*mask"),
        ("{", "[", r"gt_segmentations_val\.json.*line 1"),
        ("[40, 30]", "[30, 30]", "Cardiomegaly.*patient64541_study1.*30x30"),
    ],
    ("folder", "labels.csv"): [
        ("a.png", "../a.png", r"/labels\.csv has the invalid path '\.\./a\.png': .* with / and without \.\.$"),
        ("a.png", "passwd", r"labels\.csv.*'passwd'.*\.png, \.jpg"),
        ("a.png", f"{'a' * 300}.png", r"labels\.csv.*'a{40}'.*too long: at most 1000 "),
        ("b.png", "./a.png", r"/labels\.csv has duplicate rows \(1\): a\.png; keep one of each$"),
        ("image,", "file,", r"labels\.csv.*'image'.*file, patient, split, Mass, Nodule$"),
        ("train,1,0", "train,2,0", r"labels\.csv.*'Mass'.*'2'.*--dataset folder:ignore=Mass"),
        ("Nodule", "Mass", r"labels\.csv.*columns.*\(1\): Mass"),
        ("Nodule", "Mass ", r"labels\.csv.*columns.*\(1\): Mass"),
        ("Nodule", "", r"labels\.csv.*column.*'Unnamed: 4'"),
        ("Nodule", "mean", r"labels\.csv.*'mean'.*reserved.*folder:ignore=mean$"),
        ("p3,test", "p3,tset", r"labels\.csv.*split.*'tset'.*'test'.*train, val, test"),
        ("p3", "", r"/labels\.csv .*\b1 rows.*patient"),
        ("Mass,Nodule", "age,view", r"labels\.csv.* 6 .* 0 findings"),
        (",", "\t", r"labels\.csv.*tabs.*CSV.*UTF-8.*comma"),
    ],
    ("folder", "boxes.csv"): [
        ("d.png", "z.png", r"boxes\.csv.*label table.*\(1\): z\.png; add them"),
        ("Nodule", "Nodul", r"boxes\.csv.*finding.*'Nodul'.*'Nodule'"),
        ("2,3,10.5,8", "10.5,3,2,8", r"boxes\.csv.*\(1\): d\.png Mass \[10\.5, 3\.0, 2\.0, 8.*x0 < x1"),
        ("2,3,10.5,8", "2,3,10,5,8", r"boxes\.csv.*header.*comma"),
        ("2,3,10.5,8", "20,3,30,8", r"boxes\.csv.*outside.*\(1\): d\.png Mass \[20\.0, 3\.0, 30\.0"),
        ("2,3,10.5,8", "2,3,inf,8", r"boxes\.csv.*numbers \(1\): 'inf'"),
        ("f.png,Mass,8,8,99,12", "f.png,Mass,0,0,4,4", r"boxes.*repeated \(1\): f\.png Mass \[0\.0, 0\.0, 4\.0, 4\.0"),
        ("2,3,10.5,8", ".2,.3,.5,.8", r"boxes\.csv.*pixel \(1\): d\.png Mass \[0\.2, 0\.3, 0\.5, 0\.8\]"),
        ("2,3,10.5,8", '2,3,"10,5",8', r"boxes\.csv.*numbers \(1\): '10,5'.*decimal points"),
        ("x0,y0,x1,y1", "x,y,w,z", r"boxes\.csv.*w, z.*x0, y0, x1, y1 .*x, y, w, h"),
        (",", ";", r"boxes\.csv.*semicolons.*CSV.*UTF-8.*comma"),
    ],
    ("siim_covid", "train_image_level.csv"): [
        ("'width': 8", "'wide': 8", r"image_level\.csv.*image\d\d.*'wide'.*'width'"),
        ("[{'x': 4.5", "__import__('os').abort() or [{'x': 4.5", r"image\d\d.*__import__.*'width'"),
        ("image02_image", "image01_image", r"image_level\.csv.*duplicate.*\(1\): image01"),
        (",study02", ",study99", r"image_level\.csv.*train_study_level\.csv.*\(1\): image02"),
        ("'width': 8", "'width': 0", r"level\.csv.*boxes.*empty.*\(3\): .*\[4\.5, 2\.0, 4\.5, 12"),
    ],
    ("siim_covid", "train_study_level.csv"): [
        ("y01_study,0,1,0", "y01_study,0,1,1", r"train_study_level\.csv.*studies.*appearance \(1\): study01"),
    ],
    ("rsna_pneumonia", "stage_2_train_labels.csv"): [
        ("0004cfab-00,,,,,0", "0004cfab-00,,,,,2", r"labels\.csv.*Target.* 0 .* 1.* 2$"),
        ("0004cfab-00,,,,,0", "0004cfab-01,,,,,0", r"labels\.csv.*both.*\(1\): 0004cfab-01"),
        ("0004cfab-00,,,,,0", "0004cfab-00,1,1,5,5,0", r"labels\.csv.*boxes.* 0.*0004cfab-00"),
        ("264.0", "", r"labels\.csv.*numbers \(5\): ''"),
        ("264.0", "2640", r"labels\.csv.*boxes.*outside.*\(5\): 0004cfab-01 Pneumonia"),
    ],
    ("rsna_pneumonia", "pneumonia-challenge-dataset-mappings_2018.json"): [("subset_img_id", "id", "2018.*subset_img")],
    ("vindr_cxr", "train.csv"): [
        ("Cardiomegaly", "Cardiomegalie", r"train\.csv.*finding.*'Cardiomegalie'.*'Cardiomegaly'"),
        ("12,6,28,18.5", "12,6,,18.5", r"train\.csv.*numbers \(8\): ''"),
        ("x_min", "left", r"train\.csv.*'x_min'.*image_id, class_name"),
    ],
    ("chestx_det", "ChestX_Det_test.json"): [
        ("Effusion", "Efusion", r"Det_test\.json.*finding.*'Efusion'.*'Effusion'"),
        ("[100, 200, 300, 400], ", "", r"Det_test\.json.*40000\.png.* 3 syms.* 2 boxes.* 3 polygons"),
        ("40001.png", "40000.png", r"Det_test\.json.*twice \(1\): 40000\.png"),
        ("40001.png", "36200.png", r"Det_test\.json.*twice \(1\): 36200\.png"),
        ('"syms"', '"symptoms"', r"Det_test\.json.*file_name, syms.*boxes.*polygons"),
        ("[500, 500], ", "", r"Det_test\.json.*40000\.png.*polygon.* 3 points"),
        ("[500, 500], ", "[500, NaN], ", r"Det_test\.json.*40000\.png.*polygon.*numbers"),
        ("200, 300, 400], ", "200, NaN, 400], ", r"boxes.*\(2\): 40000\.png Mass \[100\.0, 200\.0, nan, 400\.0\]"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("name", "file", "old", "new", "facts"), [(*place, *row) for place, rows in BROKEN.items() for row in rows])
def test_a_broken_table_raises_a_clear_error(request, name, file, old, new, facts):
    root = request.getfixturevalue(f"{name.lower()}_tree")()
    rewrite(root / file, old, new)
    with pytest.raises(DataError, match=facts) as caught:
        [datasets.load(name, root, split) for split in ("test", "train", "val")]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("word", "facts"),
    [
        ("NIH:truth=chestxdet", "'chestxdet'.*'chestx_det'"),
        ("CheXpert:policy=one", "'one'.*policy.*'ones'"),
        ("CheXpert:policy=[1]", r"\[1\].*policy.*'ones', 'zeros', 'ignore' or 'mixed'"),
        ("CheXpert:views=side", "'side'.*views.*'frontal', 'lateral' or 'all'"),
        ("covid_radiography:val=0", r"^bad value 0 for the option .val.: .* 1$"),
        ("siim_covid:studies=frontal", "'frontal'.*studies.*single.*all"),
        ("siim_covid:balanced=yes", "'yes'.*balanced.*train.*all.*none"),
        ("vindr_cxr:votes=4", "4 .*votes.* 1, 2 .*3"),
        ("rsna_pneumonia:whole=no", "^bad value 'no' for the option .whole.: .*boolean"),
        ("rsna_pneumonia:all=True", "'rsna_pneumonia'.*'all'.*whole"),
        ("phantom:prevalence=1.5", r"^bad value 1\.5 for the option .prevalence.: .* less than or equal to 1\b"),
        ("phantom:grain=much", "^bad value 'much' for the option .grain.: .* number$"),
        ("phantom:test=-1", "^bad value -1 for the option .test.: .* greater than or equal to 0$"),
        ("phantom:clutter=True", "^bad value True for the option .clutter.: .* number$"),
        ("phantom:colour=1", "'phantom'.*'colour'.*prevalence"),
        ("implanted:places=0", "^bad value 0 for the option .places.: .* 1$"),
        ("implanted:places=65", "^bad value 65 for the option .places.: .* 64$"),
        ("implanted:places=1.5", r"^bad value 1\.5 for the option .places.: .*integer$"),
    ],
)
def test_an_invalid_option_raises_an_error_with_the_allowed_values(tmp_path, word, facts):
    with pytest.raises(BadValueError, match=facts):
        datasets.load(word, tmp_path)


KAGGLE = r"\.csv.*`kaggle competitions download"


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("NIH", r"images/\*\.png.*https://nihcc"),
        ("CheXpert", r"train\.csv, valid\.csv.*https://stanfordaimi"),
        ("folder", r"expected labels\.csv"),
        ("covid_radiography", r"COVID/images/\*\.png.*`kaggle datasets download .*--download True"),
        ("chestx_det", "ChestX_Det.*https://github"),
        *((name, KAGGLE) for name in ("siim_covid", "rsna_pneumonia", "vindr_cxr")),
    ],
)
def test_a_missing_or_empty_folder_raises_an_error_with_layout_and_source(tmp_path, name, facts):
    for root in (None, tmp_path / "nowhere"):
        with pytest.raises(DataError, match=rf"{facts}.*--data_root_dir .*LOCUS_DATA"):
            datasets.load(name, root)
    with pytest.raises(DataError, match=rf"^the folder {tmp_path} is empty: .*{facts}"):
        datasets.load(name, tmp_path)


def test_a_first_line_with_a_huge_cell_is_no_table(tmp_path):
    (tmp_path / "labels.csv").write_text("image," + "x" * 200_000)
    with pytest.raises(DataError, match="has a cell of more than 131,072 letters"):
        datasets.load("folder", tmp_path)


@pytest.mark.parametrize(
    ("name", "image"),
    [("NIH", "images/00000005_000.png"), ("CheXpert", "valid/patient64541/study1/view2_frontal.jpg"), ("folder", "e.jpg")],
)
def test_images_without_a_file_are_skipped_counted_and_logged(request, caplog, name, image):
    root = request.getfixturevalue(f"{name.lower()}_tree")()
    (root / image).unlink()
    data = datasets.load(name, root)
    assert (len(data), data.describe["images_without_file"]) == (2, 1)
    assert "1 of 3 test images have no file and are skipped: " in caplog.text
