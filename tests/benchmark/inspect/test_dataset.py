"""The check of a data set, on folders with one planted error each."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from locus.benchmark.inspect import dataset as doctor
from locus.benchmark.inspect.dataset import answers, counts, read
from locus.config import DatasetCheckConfig

pytestmark = pytest.mark.planted
ROWS = ["a.png,p1,train,1,0", "b.png,p2,val,0,", "c.png,p3,test,1,0", "d.png,p4,test,0,1"]
LABELS = "image,split,width,height,Mass\na.png,train,30,40,1\nb.png,val,30,40,1\nc.png,test,40,40,1\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for i, name in enumerate("abcd"):
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (40, 30), dtype=np.uint8)).save(folder / f"{name}.png")
    (folder / "labels.csv").write_text("\n".join(["image,patient,split,Mass,Nodule", *ROWS]))
    (folder / "boxes.csv").write_text("image,finding,x0,y0,x1,y1\nc.png,Mass,2,3,10,12\nc.png,Mass,12,3,20,12\n")
    return folder


def config(root: Path) -> DatasetCheckConfig:
    return DatasetCheckConfig(dataset="folder", data_root_dir=str(root), output=str(root.parent / "out"))


def verdicts(root: Path) -> dict[str, str]:
    """Return the rows that do not pass, except that on the single validation image."""
    made = (answer for answer in answers(read(config(root))) if answer.verdict in ("note", "fail"))
    result = {answer.question: f"{answer.verdict} {answer.seen}" for answer in made}
    assert result.pop("validation images").startswith("note best.ckpt is selected on only 1 validation images; with fewer than 100")
    return result


def test_valid_data_pass_and_the_page_is_in_the_output_folder(root: Path):
    told: list[str] = []
    assert doctor.run(config(root), told.append) == []
    assert "folder passes all checks" in told[-1]
    assert sorted(path.name for path in (root.parent / "out" / "folder").iterdir()) == ["report.md"]
    assert "| test    | Mass      |" in (root.parent / "out" / "folder" / "report.md").read_text()


def test_progress_bar_counts_the_opened_images(root: Path, terminal, caplog):
    with caplog.at_level(logging.INFO):
        read(config(root))
    assert "open test:   0%" in (shown := terminal())
    assert "0/2" in shown
    assert "opening 2 test images" in caplog.messages


@pytest.mark.byhand
def test_counts_are_per_split_and_finding(root: Path):
    rows = {row[:2]: row[2:] for row in counts(read(config(root)))}
    assert rows["test", "Mass"] == (1, 1, 0, 2, 1)
    assert rows["val", "Nodule"] == (0, 0, 1, 0, 0)


def test_same_pixels_in_two_splits_and_their_labels_fail(root: Path):
    shutil.copy(root / "a.png", root / "d.png")
    assert verdicts(root) == {
        "duplicate images": "fail 1: across splits: a.png (train) = d.png (test)",
        "duplicates with different labels": "fail 1: a.png (train) = d.png (test): Mass, Nodule",
    }


def test_one_of_many_duplicates_per_split_is_named(root: Path):
    rows = [f"{i}.png,q{i},train,1,0" for i in range(9)]
    for name in [*range(9), "d"]:
        shutil.copy(root / "b.png", root / f"{name}.png")
    (root / "labels.csv").write_text("\n".join(["image,patient,split,Mass,Nodule", *ROWS, *rows]))
    told = "fail 1: across splits: 0.png (train) = b.png (val) = d.png (test) = 1.png (train) and 7 more"
    assert verdicts(root)["duplicate images"] == told


def test_images_without_a_file_fail_and_named(root: Path):
    (root / "d.png").unlink()
    named = f"note 1: {root}: 1 of 2 test images have no file and are skipped: d.png"
    assert verdicts(root) == {"listed images without a file": "fail 1: test 1", "warnings while loading": named}


def test_a_hundred_validation_images_give_no_note(root: Path):
    for i in range(99):
        shutil.copy(root / "b.png", root / f"{i}.png")
    (root / "labels.csv").write_text("\n".join(["image,patient,split,Mass,Nodule", *ROWS, *(f"{i}.png,q{i},val,0," for i in range(99))]))
    assert next(answer for answer in answers(read(config(root))) if answer.question == "validation images").seen == "100"


@pytest.mark.parametrize(
    ("file", "content", "question", "seen"),
    [
        ("a.png", "PK", "unreadable files", "a.png: it is not a PNG or JPEG image"),
        ("boxes.csv", "b.png,Nodule,2,3,20,12", "boxes of findings whose label is not 1", "note 1: b.png Nodule"),
        ("boxes.csv", "c.png,Mass,2,3,100,12", "warnings while loading", "boxes.csv: clipped 1 boxes"),
        ("boxes.csv", "c.png,Mass,.1,.2,.5,.6", "splits that load", "c.png Mass [0.1, 0.2, 0.5, 0.6]"),
        ("boxes.csv", "c.png,Mass,50,3,100,12", "splits that load", "c.png Mass [50.0, 3.0, 100.0, 12.0]"),
        ("boxes.csv", "c.png,Mass,29.5,3,40,12", "boxes outside the image or below one pixel", "fail 1: c.png Mass"),
        ("labels.csv", LABELS, "aspect ratio of image and frame", "fail 1: c.png is 30x40, its frame 40x40"),
    ],
)
def test_a_planted_error_is_found_by_its_question(root: Path, file: str, content: str, question: str, seen: str):
    header = "image,finding,x0,y0,x1,y1\n" if file == "boxes.csv" else ""
    (root / file).write_text(header + content)
    assert seen in verdicts(root)[question]


def test_a_test_set_without_training_images_passes(root):
    (root / "labels.csv").write_text("image,patient,split,Mass\nc.png,p3,test,1\nd.png,p4,test,0\n")
    (row,) = [answer for answer in answers(read(config(root))) if answer.question == "splits that load"]
    assert (row.verdict, row.seen) == ("pass", "a test set: its tables list no image of train and val")


def test_a_training_set_without_test_images_fails(root):
    (root / "labels.csv").write_text("image,patient,split,Mass\nc.png,p3,train,1\nd.png,p4,train,0\n")
    (row,) = [answer for answer in answers(read(config(root))) if answer.question == "splits that load"]
    assert (row.verdict, "list no test images" in row.seen) == ("fail", True)
