"""The COVID-19 Radiography Database: layouts and splits."""

import pytest

from locus import datasets
from locus.core.errors import DataError

SPLITS = ("train", "val", "test")


def names(root, word="covid_radiography", **options):
    """Return split -> image names."""
    return {split: [s.image_id for s in datasets.load(word, root, split, **options)] for split in SPLITS}


@pytest.mark.parametrize("layout", ["masks", "flat"])
def test_test_and_validation_have_60_images_per_class_each_of_its_own_patient(covid_radiography_tree, layout):
    root = covid_radiography_tree(layout=layout)
    data = {split: datasets.load("covid_radiography", root, split) for split in SPLITS}
    assert [side.labels.sum(axis=0).tolist() for side in data.values()] == [[1] * 4, [60] * 4, [60] * 4]
    assert data["test"].findings == ("COVID-19", "Lung Opacity", "Normal", "Viral Pneumonia")
    assert (data["test"].labels.sum(axis=1) == 1).all()
    assert (data["test"].describe["patients"], len(set(data["test"].patients))) == ("unknown", 240)


def test_the_split_depends_on_the_seed_but_not_on_the_layout(covid_radiography_tree, tmp_path):
    root = covid_radiography_tree()
    first, again, other = (names(root, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first["test"] != other["test"]
    assert sum(map(len, first.values())) == len(set().union(*first.values())) == 4 * 121


def test_the_split_of_a_class_does_not_depend_on_other_classes(covid_radiography_tree):
    root = covid_radiography_tree(layout="flat", images=30)
    word = "covid_radiography:val=5,test=7"
    before = [name for name in names(root, word)["test"] if name.startswith("Normal")]
    (root / "COVID" / "COVID-1.png").unlink()
    assert len(before) == 7
    assert [name for name in names(root, word)["test"] if name.startswith("Normal")] == before


def test_split_folders_define_the_split(covid_radiography_tree):
    found = names(covid_radiography_tree(layout="parted", images=5))
    assert {split: len(images) for split, images in found.items()} == {"train": 12, "val": 4, "test": 4}
    assert "Viral Pneumonia-test0.png" in found["test"]


@pytest.mark.parametrize("folder", ["COVID-19_Radiography_Dataset", "COVID-19 Radiography Database"])
def test_the_folder_of_the_archive_is_found(covid_radiography_tree, tmp_path, folder):
    word = "covid_radiography:val=1,test=1"
    root = covid_radiography_tree(layout="masks", images=4)
    before = names(root, word)
    (root / "COVID-19_Radiography_Dataset").rename(tmp_path / folder)
    assert names(tmp_path, word) == before


def test_too_few_or_no_images_of_a_class_raise_an_error(covid_radiography_tree):
    root = covid_radiography_tree(layout="flat", images=20)
    with pytest.raises(DataError, match=r"^COVID-19 .* 20 .* 60 .* 60 .*val=5,test=5"):
        datasets.load("covid_radiography", root)
    for path in (root / "Normal").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r" Normal.*COVID/images/\*\.png.*`kaggle datasets download .*--download True"):
        datasets.load("covid_radiography", root)


def test_a_file_name_in_two_folders_raises_an_error(covid_radiography_tree):
    root = covid_radiography_tree(layout="parted", images=4)
    source = root / "train" / "normal" / "Normal-train0.png"
    (root / "test" / "normal" / source.name).write_bytes(source.read_bytes())
    with pytest.raises(DataError, match=r"duplicate .*\(1\): Normal-train0\.png"):
        datasets.load("covid_radiography", root)
