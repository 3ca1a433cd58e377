"""Read the published tables of NIH ChestX-ray14, some of which have broken headers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.errors import DataError
from core.lazy import pd
from datasets.file_dataset import BoxesByImage, boxes_by_image
from datasets.io.ages import years
from datasets.io.tables import (
    first_of,
    numbers,
    raise_if_any,
    read_csv,
    read_list,
    read_xywh,
    refuse_duplicates,
    refuse_unknown,
)

FRAME = (1024, 1024)
"""(H, W) of every image as published."""
BOXED = ("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax")
FINDINGS = (*BOXED, "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia")
NORMAL, ABNORMAL = "No Finding", "Abnormal"
ENTRIES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
BOXES = "BBox_List_2017.csv"
IMAGE_FOLDERS = ("images", "images_*", "images_*/images")
"""Folders of the images. All that exist are used."""
LAYOUT = (
    f"expected images/*.png (or images_*/images/*.png), {ENTRIES[0]} (or {ENTRIES[1]}), {BOXES}, train_val_list.txt "
    "and test_list.txt, all from https://nihcc.app.box.com/v/ChestXray-NIHCC"
)


def patient_of(image: str) -> str:
    """Return the patient of an image: the part of its name before _."""
    return image.partition("_")[0]


def read_entries(root: Path) -> pd.DataFrame | None:
    """Return image name -> patient, age (years), sex, view and the 14 labels; None without the file."""
    path = first_of(root, ENTRIES)
    if path is None:
        return None
    raw = read_csv(path, ("Image Index", "Finding Labels", "Patient ID"))
    refuse_duplicates(path, raw["Image Index"])
    words = {word.strip() for cell in raw["Finding Labels"].unique() for word in cell.split("|")}
    refuse_unknown(path, words, (*FINDINGS, NORMAL))
    labels = raw["Finding Labels"].str.get_dummies("|").rename(columns=str.strip)
    table = labels.reindex(columns=list(FINDINGS), fill_value=0).astype(np.float32)
    about = pd.DataFrame({"patient": raw["Patient ID"].str.zfill(8), **_about(raw)})
    return pd.concat([about, table], axis=1).set_axis(raw["Image Index"], axis=0)


def _about(raw: pd.DataFrame) -> dict[str, pd.Series]:
    """Return age, sex and view, if known. Ages such as 058Y and 011M are parsed; those above 120 are nan."""
    nothing = pd.Series("", index=raw.index)
    age, sex, view = (raw.get(name, nothing) for name in ("Patient Age", "Patient Gender", "View Position"))
    return {"age": age.map(years).astype(float), "sex": sex, "view": view}


def read_labelled(path: Path, findings: Sequence[str], widths: Sequence[int]) -> pd.DataFrame:
    """Read a list with one of the ``widths`` as number of label columns: image name -> labels of the first findings."""
    cells = read_list(path)
    width = cells.shape[1] - 1
    if width not in widths:
        raise DataError(f"{path} has {width} label columns: expected {' or '.join(map(str, widths))}")
    labels = {name: _zero_one(path, cells[i]) for i, name in enumerate(findings[:width], 1)}
    return pd.DataFrame(labels).set_axis(cells[0], axis=0)


def _zero_one(path: Path, cells: pd.Series) -> pd.Series:
    values = numbers(path, cells)
    raise_if_any(path, sorted(set(values) - {0.0, 1.0}), "labels other than 0 and 1")
    return values.astype(np.float32)


def read_boxes(root: Path) -> tuple[BoxesByImage, int]:
    """Return image -> finding -> (1,4) xyxy box in the 1024x1024 frame, and the number of clipped boxes.

    The columns x, y, w, h have one broken header and are measured from the upper left corner of the image. Raises
    ``DataError`` for a box that is empty or outside the image.
    """
    path = root / BOXES
    if not path.is_file():
        return {}, 0
    raw = read_csv(path, ("Image Index", "Finding Label"))
    if raw.shape[1] < 6:
        raise DataError(f"{path} has {raw.shape[1]} columns: expected image, finding, x, y, w and h")
    finding = raw["Finding Label"].replace("Infiltrate", "Infiltration")
    refuse_unknown(path, finding, FINDINGS)
    refuse_duplicates(path, raw["Image Index"] + " " + finding)
    marks = zip(raw["Image Index"], finding, read_xywh(path, raw.iloc[:, 2:6]), strict=True)
    return boxes_by_image(path, marks, dict.fromkeys(raw["Image Index"], FRAME))
