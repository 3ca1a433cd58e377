"""ChestX-Det's annotations under NIH's image names, made by a second team of radiologists."""

import re
from collections.abc import Sequence
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import DataError, examples
from core.types import Sample
from datasets import chestx_det, splits
from datasets.base import Request
from datasets.chestx_det import TEN, Marks, marked_samples, read_marks
from datasets.file_dataset import described, in_split, with_file
from datasets.io.images import find
from datasets.io.tables import first_of, read_list
from datasets.nih.lists import ABOUT, OFFICIAL
from datasets.nih.tables import IMAGE_FOLDERS, LAYOUT, patient_of, read_entries

JOINED, FIRST_RELEASE = "annotations.json", ("train.json", "test.json")
FOLDERS = (".", "chestx_det", "chestx-det", "../chestx_det", "../chestx-det")
"""Possible folders of the annotations, relative to the folder of NIH's files."""
NIH_NAME = re.compile(r"\d{8}_\d{3}\.png")
HOW_TO_GET = (
    f"put {JOINED} (13 findings, with image, syms, boxes and polygons), or train.json and test.json of ChestX-Det10's "
    "first release (10 findings, NIH's image names) into a folder chestx_det inside or next to that of NIH's files"
)


def annotation_files(root: Path) -> list[Path]:
    """Return the annotation files for the NIH folder ``root``. Raises ``DataError`` if there are none."""
    for folder in (root / name for name in FOLDERS):
        if (joined := first_of(folder, (JOINED,))) is not None:
            return [joined]
        first_release = [folder / name for name in FIRST_RELEASE]
        if all(path.is_file() for path in first_release):
            return first_release
    raise DataError(f"{root} has no annotations of ChestX-Det: {HOW_TO_GET}")


def read(root: Path) -> dict[str, Marks]:
    """Return NIH image -> the marks of ChestX-Det in the 1024x1024 frame; an empty list means no finding.

    Raises ``DataError`` for names that are not NIH's.
    """
    marks: dict[str, Marks] = {}
    for path in annotation_files(root):
        marks |= read_marks(path, marks, "image" if path.name == JOINED else "file_name")
    if wrong := [image for image in marks if not NIH_NAME.fullmatch(image)]:
        names = f"{len(wrong)} of {len(marks)} images do not have NIH's names ({examples(wrong)})"
        mixed = len(wrong) < len(marks)
        advice = "use NIH's image names only, not ChestX-Det's own numbers" if mixed else HOW_TO_GET
        raise DataError(f"{path}: {names}; expected names like 00000013_005.png: {advice}")
    return marks


def load(request: Request, root: Path, findings: Sequence[str]) -> tuple[list[Sample], dict[str, Any]]:
    """Return the rows of a split with the second team's labels and outlines, and a description for records.

    The official split is that of NIH, restricted to the annotated images. Raises ``DataError`` and ``LeakError``.
    """
    paths, marks = annotation_files(root), read(root)
    files = find(root, *IMAGE_FOLDERS)
    images = with_file(root, sorted(marks), files, LAYOUT)
    mask = in_split([*map(patient_of, images)], request, partial(_official, root, images, request))
    chosen = {image: marks[image] for image in compress(images, mask)}
    rows, clipped = marked_samples(paths[0], chosen, files, findings, patient_of, _about(root))
    return rows, described(request.partition, rows, len(marks) - len(images), clipped, paths, truth="chestx_det")


def tasks(root: Path) -> dict[int, tuple[str, ...]]:
    """Return number of findings -> findings, for the tasks that the annotation files support."""
    return {13: chestx_det.FINDINGS, 10: TEN} if annotation_files(root)[0].name == JOINED else {10: TEN}


def _official(root: Path, images: list[str], request: Request) -> splits.SplitNames:
    """Return (N,) split names by NIH's lists; ``splits.LEFT_OUT`` for an image in neither list."""
    if first_of(root, OFFICIAL[1:]) is None:
        raise DataError(f"{root} has no {OFFICIAL[1]}: copy NIH's lists there, or use --partition patient or kfold")
    listed = {name: set(read_list(root / name)[0]) for name in OFFICIAL if (root / name).is_file()}
    test = np.array([image in listed[OFFICIAL[1]] for image in images])
    training = listed.get(OFFICIAL[0])
    names = splits.hold_out_val([*map(patient_of, images)], ~test, request.seed)
    if training is not None:
        names[[not on_test and i not in training for i, on_test in zip(images, test, strict=True)]] = splits.LEFT_OUT
    return names


def _about(root: Path) -> dict[str, dict[str, Any]]:
    """Return image -> age, sex and view, if the table of entries exists."""
    table = read_entries(root)
    if table is None:
        return {}
    rows = zip(table.index, table[list(ABOUT)].to_dict("records"), strict=True)
    return {str(image): {str(name): value for name, value in row.items()} for image, row in rows}
