"""Fixtures that write tiny copies of the data sets, with their known defects."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from locus import datasets
from tests.datasets.trees_chexpert import write_chexpert
from tests.datasets.trees_covid import write_covid
from tests.datasets.trees_radiologists import chestx_det_tree, rsna_pneumonia_tree, siim_covid_tree, vindr_cxr_tree  # noqa: F401

HEADER_V2020 = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
HEADER_V2020 += "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
ENTRIES = [
    ("00000001_000.png", "Cardiomegaly|Effusion", 1, "057"),
    ("00000001_001.png", "No Finding", 1, "058"),
    ("00000002_000.png", "Hernia|Pleural_Thickening", 2, "411"),
    ("00000003_000.png", "No Finding", 3, "030"),
    ("00000004_000.png", "Infiltration", 4, "044"),
    ("00000005_000.png", "Nodule", 5, "061"),
    ("00000005_001.png", "Atelectasis|Mass", 5, "062"),
    ("00000006_000.png", "No Finding", 6, "020"),
]
TRAIN_VAL = ["00000001_000.png", "00000001_001.png", "00000002_000.png", "00000003_000.png", "00000006_000.png"]
TEST = ["00000004_000.png", "00000005_000.png", "00000005_001.png"]
BOXES = ["00000004_000.png,Infiltrate,100.5,200.25,300,400,,,", "00000005_000.png,Nodule,900,950,200,100,,,"]
BOXES += ["00000005_001.png,Atelectasis,10,20,30,40,,,"]


def write_image(path: Path, mode: str = "L", side: int = 16) -> None:
    """Return a grey ramp in one of the modes of published files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ramp = np.tile(np.arange(side, dtype=np.uint8) * 16, (side, 1))
    if mode == "I;16":
        Image.fromarray(ramp.astype(np.uint16) * 257).save(path)
    else:
        Image.fromarray(ramp).convert(mode).save(path)


def rewrite(path: Path, old: str, new: str) -> None:
    """Replace a text that a file contains."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


WORDS = {"covid_radiography": "covid_radiography:val=2,test=2", "implanted": "implanted:train=4,val=2,test=4"}
"""Data sets whose default sizes are too large for a tiny copy."""
TREES: dict[str, Path | None] = {}


@pytest.fixture(params=datasets.names())
def tiny(request: pytest.FixtureRequest) -> tuple[str, Path | None]:
    """Each registered data set and a tiny copy of it to read, written once by the fixture ``<name in lower case>_tree``.

    The phantom has no files.
    """
    if request.param not in TREES:
        sizes = {"images": 6} if request.param == "covid_radiography" else {}
        no_files = request.param == "phantom"
        TREES[request.param] = None if no_files else request.getfixturevalue(f"{request.param.lower()}_tree")(**sizes)
    return WORDS.get(request.param, request.param), TREES[request.param]


@pytest.fixture
def nih_tree(tmp_path: Path) -> Callable[..., Path]:
    """Write NIH's layout: two image folders, one RGBA file, a broken header, Infiltrate, a box beyond the edge."""

    def write(header: str = HEADER_V2020, table: str = "Data_Entry_2017_v2020.csv", lists: bool = True, boxes: list[str] = BOXES) -> Path:
        for i, (name, *_) in enumerate(ENTRIES):
            folder = "images" if i % 2 else "images_001/images"
            write_image(tmp_path / folder / name, "RGBA" if i == 3 else "L")
        rows = [f"{name},{labels},0,{patient},{age},M,PA,2682,2749,0.143,0.143" for name, labels, patient, age in ENTRIES]
        rows = [row + "," for row in rows] if header.endswith(",") else rows
        (tmp_path / table).write_text("\n".join([header, *rows]) + "\n")
        (tmp_path / "BBox_List_2017.csv").write_text("\n".join(["Image Index,Finding Label,Bbox [x,y,w,h],,,", *boxes]) + "\n")
        if lists:
            (tmp_path / "train_val_list.txt").write_text("\n".join(TRAIN_VAL) + "\n")
            (tmp_path / "test_list.txt").write_text("\n".join(TEST))
        return tmp_path

    return write


@pytest.fixture
def implanted_tree(nih_tree: Callable[..., Path]) -> Callable[..., Path]:
    """Write NIH's layout with normal images as backgrounds."""
    return nih_tree


FOLDER_ROWS = ["a.png,p1,train,1,0", "b.png,p1,train,0,", "deep/c.png,p2,train,,1"]
FOLDER_ROWS += ["d.png,p3,test,1,0", "e.jpg,p4,test,0,1", "f.png,p5,test,1,1"]
FOLDER_BOXES = ["d.png,Mass,2,3,10.5,8", "f.png,Mass,0,0,4,4", "f.png,Mass,8,8,99,12", "f.png,Nodule,1,1,2,2"]


@pytest.fixture
def folder_tree(tmp_path: Path) -> Callable[..., Path]:
    """Write a user's folder: images in three folders, unknown labels, two boxes of one finding, one beyond the edge."""

    def write(header: str = "image,patient,split,Mass,Nodule", rows: list[str] = FOLDER_ROWS, boxes: list[str] = FOLDER_BOXES) -> Path:
        for i, place in enumerate(("a.png", "images/b.png", "deep/c.png", "images/d.png", "e.jpg", "f.png")):
            write_image(tmp_path / place, ("L", "RGB", "I;16")[i % 3] if place.endswith(".png") else "RGB")
        (tmp_path / "labels.csv").write_text("\n".join([header, *rows]) + "\n")
        (tmp_path / "boxes.csv").write_text("\n".join(["image,finding,x0,y0,x1,y1", *boxes]) + "\n")
        return tmp_path

    return write


@pytest.fixture
def chexpert_tree(tmp_path: Path) -> Callable[..., Path]:
    """Write CheXpert's layout with CheXlocalize's masks; see ``trees_chexpert``."""
    return lambda **how: write_chexpert(tmp_path, **how)


@pytest.fixture
def covid_radiography_tree(tmp_path: Path) -> Callable[..., Path]:
    """Write the COVID-19 Radiography Database in one of its layouts; see ``trees_covid``."""
    return lambda **how: write_covid(tmp_path, **how)
