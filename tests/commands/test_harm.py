"""Files that are broken or mean harm, through the commands: one sentence, status 2, nothing outside the folder read, nothing written."""

import re
import shutil
from pathlib import Path

import pytest

from locus.benchmark.check import __main__ as checks
from tests.datasets.conftest import chexpert_tree, covid_radiography_tree, folder_tree, nih_tree  # noqa: F401 - fixtures
from tests.datasets.test_corruption import WATCHED, empty, halved, other_encoding, zipped
from tests.datasets.trees_radiologists import chestx_det_tree, rsna_pneumonia_tree, siim_covid_tree, vindr_cxr_tree  # noqa: F401 - fixtures

pytestmark = pytest.mark.commands


def twice(path: Path) -> None:
    path.write_text(path.read_text() + path.read_text().split("\n", 1)[1])


def million(path: Path) -> None:
    path.write_text(",".join(f"c{i}" for i in range(1_000_000)) + "\n1\n")


def traversal(path: Path) -> None:
    path.write_text(path.read_text().replace("a.png", "../outside.png"))


def linked(path: Path) -> None:
    shutil.move(path, path.parents[1] / "outside")
    path.symlink_to(path.parents[1] / "outside")


def zips(path: Path) -> None:
    for image in path.rglob("*.png"):
        zipped(image)


HARM = [
    ("NIH", "Data_Entry_2017_v2020.csv", halved, r"Data_Entry_2017.*0{5}"),
    ("chestx_det", "ChestX_Det_test.json", halved, r"ChestX_Det_test\.json"),
    ("folder", "labels.csv", empty, r"labels\.csv.*empty"),
    ("CheXpert", "train.csv", other_encoding, r"train\.csv.*UTF-8"),
    ("siim_covid", "train_image_level.csv", twice, r"duplicate.*image00"),
    ("vindr_cxr", "train.csv", million, r"train\.csv.* 2000 "),
    ("folder", "labels.csv", traversal, r"labels\.csv.*'\.\./outside\.png'"),
    ("rsna_pneumonia", "stage_2_train_labels.csv", linked, r"link .*stage_2_train_labels.csv.*/outside"),
    ("covid_radiography:val=2,test=2", ".", zips, r"\.png.*PNG or JPEG"),
]


@pytest.fixture(params=HARM, ids=lambda case: f"{case[0].split(':')[0]}-{case[2].__name__}")
def harmed(request, tmp_path_factory):
    """A data set's word, its folder with something harmful in it, and the facts of the sentence that is due."""
    word, where, harm, facts = request.param
    name = word.split(":")[0]
    options = {"images": 6} if name == "covid_radiography" else {}
    root = tmp_path_factory.mktemp("harm") / "data"
    shutil.copytree(request.getfixturevalue(f"{name.lower()}_tree")(**options), root)
    harm(root / where)
    return word, root, facts


@pytest.mark.parametrize("run_command", ["main", "doctor"])
def test_harmful_file_is_an_error_and_nothing_is_read_or_written(harmed, train, tmp_path, capsys, monkeypatch, run_command):
    word, root, facts = harmed
    before, out = sorted(root.parent.rglob("*")), sorted(tmp_path.iterdir())
    monkeypatch.setitem(WATCHED, "open", [])
    if run_command == "main":
        small = "--epochs 1 --backbone custom --img_size 32 --pretrained False --plots False"
        status = train(f"--dataset {word} --data_root_dir {root} {small}")
    else:
        status = checks.main(["dataset", word, "--root", str(root), "--output", f"{tmp_path}/page"])
    opened = [Path(path).resolve() for path in WATCHED["open"]]
    seen = capsys.readouterr()
    assert [path for path in opened if path.is_relative_to(root.parent) and not path.is_relative_to(root)] == []
    assert sorted(root.parent.rglob("*")) == before
    if run_command == "doctor" and word.startswith("covid"):
        assert (status, "unreadable files" in seen.out) == (1, True)  # to name such files is what the doctor is for
        return
    errors = [line for line in seen.err.splitlines() if line.startswith("error: ")]
    assert (status, len(errors), bool(re.search(facts, errors[0]))) == (2, 1, True), seen.err
    if "covid" not in word:  # its images are decoded by a run that has begun
        assert sorted(tmp_path.iterdir()) == out
