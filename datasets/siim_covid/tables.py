"""The two tables of SIIM-FISABIO-RSNA COVID-19 as published, joined: one row an image."""

import ast
from pathlib import Path

import pandas as pd

from core.errors import DataError, examples
from datasets.io.tables import read_csv, refuse_duplicates

CLASSES = ("Negative for Pneumonia", "Typical Appearance", "Indeterminate Appearance", "Atypical Appearance")
STUDIES, IMAGES = "train_study_level.csv", "train_image_level.csv"
LONGEST = 20_000
"""Characters of a cell of boxes."""
Edges = tuple[float, float, float, float]


def read_images(root: Path) -> pd.DataFrame:
    """Image -> study, its appearance (one of ``CLASSES``) and the cell of its boxes."""
    studies = _appearances(root / STUDIES)
    path = root / IMAGES
    raw = read_csv(path, ("id", "boxes", "label", "StudyInstanceUID"))
    names = raw["id"].str.removesuffix("_image")
    refuse_duplicates(path, names)
    unknown = names[~raw["StudyInstanceUID"].isin(studies.index)]
    if len(unknown):
        raise DataError(f"{path} has {len(unknown)} images of studies that {STUDIES} lacks: {examples(unknown)}")
    study = raw["StudyInstanceUID"]
    columns = {"study": study, "appearance": study.map(studies), "boxes": raw["boxes"]}
    return pd.DataFrame(columns).set_axis(names, axis=0)


def _appearances(path: Path) -> pd.Series:
    """Study -> the one appearance that it has."""
    raw = read_csv(path, ("id", *CLASSES))
    names = raw["id"].str.removesuffix("_study")
    refuse_duplicates(path, names)
    marks = raw[list(CLASSES)]
    wrong = ~marks.isin(("0", "1")).all(axis=1) | ((marks == "1").sum(axis=1) != 1)
    if wrong.any():
        raise DataError(f"{path} has {int(wrong.sum())} studies without just one appearance: {examples(names[wrong])}")
    return (marks == "1").idxmax(axis=1).set_axis(names, axis=0)


def read_boxes(path: Path, image: str, cell: str) -> list[Edges]:
    """xyxy boxes of a cell such as ``[{'x': 1.5, 'y': 2, 'width': 3, 'height': 4}]``; the text is never run.

    >>> read_boxes(Path("t.csv"), "a", "[{'x': 1.5, 'y': 2, 'width': 3, 'height': 4}]")
    [(1.5, 2.0, 4.5, 6.0)]
    """
    if not cell:
        return []
    try:
        if len(cell) > LONGEST:
            raise ValueError("too long")
        sides = [tuple(float(box[side]) for side in ("x", "y", "width", "height")) for box in ast.literal_eval(cell)]
    except (ValueError, SyntaxError, LookupError, TypeError, MemoryError, RecursionError) as error:
        raise DataError(
            f"{path}: the boxes of {image} are {cell[:60]!r}: write a list of "
            "{'x': …, 'y': …, 'width': …, 'height': …}"
        ) from error
    return [(x, y, x + width, y + height) for x, y, width, height in sides]
