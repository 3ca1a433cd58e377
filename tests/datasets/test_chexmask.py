"""CheXmask's lung masks for NIH, CheXpert and VinDr-CXR."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import datasets
from benchmark.check.dataset.checks import answers
from benchmark.check.dataset.scan import read
from benchmark.maps.cases import make_case
from config import DatasetCheckConfig
from core.errors import BadValueError, DataError
from datasets.chexmask import decode

Tree = Callable[..., Path]
HEADING = "{},Dice RCA (Mean),Dice RCA (Max),Landmarks,Left Lung,Right Lung,Heart,Height,Width"
WHOLE = np.zeros((1024, 1024), bool)


def pairs(mask: np.ndarray) -> str:
    """Encode a mask as run lengths, row by row, counted from 1."""
    edges = np.flatnonzero(np.diff(mask.ravel().astype(int), prepend=0, append=0))
    return " ".join(f"{start + 1} {stop - start}" for start, stop in edges.reshape(-1, 2).tolist())


def box(x0: int, y0: int, x1: int, y1: int, shape: tuple[int, int] = (1024, 1024)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[y0:y1, x0:x1] = True
    return mask


LEFT, RIGHT = box(600, 100, 900, 800), box(100, 150, 400, 820)


def row(image: str, mean: float = 0.9, largest: float = 0.95, left: np.ndarray | str = LEFT, right: np.ndarray = RIGHT) -> str:
    height, width = right.shape
    return f'{image},{mean},{largest},"[1 2]",{left if isinstance(left, str) else pairs(left)},{pairs(right)},1 1,{height},{width}'


def write(root: Path, column: str, *rows: str, name: str = "OriginalResolution/ChestX-Ray8.csv") -> Path:
    path = root / "chexmask" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([HEADING.format(column), *rows]) + "\n")
    return root


@pytest.mark.byhand
def test_runs_are_pairs_of_start_and_length_row_by_row():
    assert decode("1 1 4 3", (2, 3), "m").tolist() == [[True, False, False], [True, True, True]]
    assert not decode("", (2, 3), "m").any()


@pytest.mark.parametrize("text", ["0 2", "6 2", "1 3 2 1", "1", "1 0", "1 -1", "1 x", "99999999999999999999 1"])
def test_runs_that_do_not_fit_raise_a_clear_error(text: str):
    with pytest.raises(DataError, match=r"^the mask.*run lengths"):
        decode(text, (2, 3), "the mask")


def test_lungs_of_nih_have_both_sides_and_a_mean_rca_of_at_least_0_7(nih_tree: Tree):
    root = write(nih_tree(), "Image Index", row("00000004_000.png"), row("00000005_000.png", mean=0.69), row("00009999_000.png"))
    data = datasets.load("NIH:lungs=chexmask", root)
    lungs = {sample.image_id: sample.lungs for sample in data}
    assert (lungs["00000004_000.png"] == (LEFT | RIGHT)).all()
    assert lungs["00000005_000.png"] is lungs["00000005_001.png"] is None
    assert (data.describe["images_with_lungs"], data.describe["lungs"]) == (1, "ChestX-Ray8.csv")
    assert datasets.load("NIH", root)[0].read_lungs is None


def test_a_smaller_mask_is_resized_to_the_frame_by_nearest_neighbour(nih_tree: Tree):
    half = row("00000004_000.png", left=box(300, 50, 450, 400, (512, 512)), right=box(50, 75, 200, 410, (512, 512)))
    sample = datasets.load("NIH:lungs=chexmask", write(nih_tree(), "Image Index", half))[0]
    assert (sample.lungs == (LEFT | RIGHT)).all()


def test_rows_of_vindr_and_chexpert_are_found_by_their_own_columns(vindr_cxr_tree: Tree, chexpert_tree: Tree, tmp_path: Path):
    image = f"{1:032x}"
    mask = box(2, 3, 9, 20, (48, 32))
    root = write(vindr_cxr_tree(), "image_id", row(image, left=mask, right=mask), name="VinDr-CXR.csv")
    lungs = {sample.image_id: sample.lungs for sample in datasets.load("vindr_cxr:whole=True,lungs=chexmask", root)}
    assert (lungs[image] == mask).all()
    assert sum(each is not None for each in lungs.values()) == 1
    path = "valid/patient64541/study1/view1_frontal.jpg"
    mask = box(2, 3, 9, 20, (40, 30))
    root = write(chexpert_tree(), "Path", row(path, left=mask, right=mask), name="CheXpert.csv")
    sample = datasets.load("CheXpert:lungs=chexmask", root)[0]
    assert (sample.frame, (sample.lungs == mask).all()) == ((40, 30), True)


def test_the_check_of_a_data_set_finds_runs_that_do_not_fit(nih_tree: Tree):
    root = write(nih_tree(), "Image Index", row("00000004_000.png", left="1 x"))
    seen = answers(read(DatasetCheckConfig(name="NIH:lungs=chexmask", root=str(root))))
    (unreadable,) = (answer for answer in seen if answer.question == "unreadable files")
    assert (unreadable.verdict, "00000004_000.png" in unreadable.seen, "run lengths" in unreadable.seen) == ("fail", True, True)


def test_findings_of_the_heart_are_not_scored_inside_the_lungs(nih_tree: Tree):
    sample = datasets.load("NIH:lungs=chexmask", write(nih_tree(), "Image Index", row("00000004_000.png")))[0]
    cases = {finding: make_case(sample, finding, 1.0, None, "conventional") for finding in ("Cardiomegaly", "Effusion")}
    assert [cases[finding].read_lungs is None for finding in cases] == [True, False]


@pytest.mark.parametrize(
    ("rows", "column", "facts"),
    [
        ([row("00000004_000.png", 0.9, 0.8)], "Image Index", r"ChestX-Ray8\.csv: .* 00000004_000\.png, 0\.9, .* 0\.8"),
        ([row("00000004_000.png").replace("0.95", "high")], "Image Index", r"ChestX-Ray8\.csv: .* 00000004_000\.png.*not a number"),
        (["00000004_000.png,0.9"], "Image Index", r"ChestX-Ray8\.csv.* 2 cells.* 9"),
        ([row("00000004_000.png")], "dicom_id", r"no CSV file.*ChestX-Ray8\.csv.*'Image Index'"),
    ],
)
def test_a_broken_file_raises_a_clear_error(nih_tree: Tree, rows: list[str], column: str, facts: str):
    root = write(nih_tree(), column, *rows)
    with pytest.raises(DataError, match=facts):
        datasets.load("NIH:lungs=chexmask", root)


def test_runs_of_another_size_and_a_missing_file_raise_clear_errors(nih_tree: Tree):
    root = nih_tree()
    with pytest.raises(DataError, match=r"no CSV file.*chexmask$"):
        datasets.load("NIH:lungs=chexmask", root)
    with pytest.raises(BadValueError, match=r"'chexmsk'.*chexmask"):
        datasets.load("NIH:lungs=chexmsk", root)
    data = datasets.load("NIH:lungs=chexmask", write(root, "Image Index", row("00000004_000.png", left="1 1048577")))
    with pytest.raises(DataError, match=r"Left Lung of 00000004_000\.png.*1024x1024"):
        _ = data[0].lungs
