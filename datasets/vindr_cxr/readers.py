"""VinDr-CXR's tables of boxes, with one row per reader and finding, and the agreement of readers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from core.boxes import as_boxes, iou
from core.lazy import pd
from core.types import FloatArray
from datasets.file_dataset import boxes_by_image
from datasets.io.tables import numbers, read_csv, refuse_unknown

FINDINGS = (
    "Aortic enlargement", "Atelectasis", "Calcification", "Cardiomegaly", "Consolidation", "ILD", "Infiltration",
    "Lung Opacity", "Nodule/Mass", "Other lesion", "Pleural effusion", "Pleural thickening", "Pneumothorax",
    "Pulmonary fibrosis",
)  # fmt: skip
RARE = (
    "Clavicle fracture", "Edema", "Emphysema", "Enlarged PA", "Lung cavity", "Lung cyst", "Mediastinal shift",
    "Rib fracture",
)  # fmt: skip
TASKS = {14: FINDINGS, 22: (*FINDINGS, *RARE)}
NORMAL = "No finding"
TRAIN = ("train.csv", "annotations/annotations_train.csv")
CONSENSUS = ("annotations/annotations_test.csv",)
EDGES = ("x_min", "y_min", "x_max", "y_max")
ALONE = "consensus"
"""Reader of all rows in a table without a column of readers."""
ALIKE = 0.4
"""Minimum IoU of two readers' boxes of the same lesion."""
Readings = Mapping[str, Mapping[str, FloatArray]]
"""Reader -> finding -> (M,4) boxes in the image's frame; a reader without marks has an empty mapping."""


def read_marks(path: Path) -> pd.DataFrame:
    """Return the distinct rows: image, reader, finding and four edges, which are nan for the finding ``NORMAL``."""
    raw = read_csv(path, ("image_id", "class_name", *EDGES)).drop_duplicates()
    spelling = {word.lower(): word for word in (*TASKS[22], NORMAL)}
    finding = raw["class_name"].map(lambda word: spelling.get(word.lower(), word))
    refuse_unknown(path, finding, tuple(spelling.values()))
    edges = {edge: numbers(path, raw[edge][finding != NORMAL]).reindex(raw.index) for edge in EDGES}
    return pd.DataFrame({"image": raw["image_id"], "reader": raw.get("rad_id", ALONE), "finding": finding, **edges})


def readings(path: Path, marks: pd.DataFrame, frames: Mapping[str, tuple[int, int]]) -> tuple[dict[str, Readings], int]:
    """Return image -> readings in the table at ``path`` for images in ``frames``, and the number of clipped boxes."""
    boxed = marks[marks["finding"] != NORMAL]
    words = boxed["finding"] + " of " + boxed["reader"]
    listed = zip(boxed["image"], words, boxed[list(EDGES)].to_numpy(), strict=True)
    truth, clipped = boxes_by_image(path, listed, frames)
    read: dict[str, dict[str, dict[str, FloatArray]]] = {}
    for image, reader in zip(marks["image"], marks["reader"], strict=True):
        read.setdefault(image, {}).setdefault(reader, {})
    for image, reader_boxes in truth.items():
        for word, boxes in reader_boxes.items():
            finding, _, reader = word.partition(" of ")
            read[image][reader][finding] = boxes
    return {image: image_readings for image, image_readings in read.items() if image in frames}, clipped


def agreed(readings: Readings, finding: str, votes: int) -> FloatArray:
    """Return the (M,4) merged boxes of at least ``votes`` readers.

    Boxes linked by an IoU of at least ``ALIKE`` are merged by averaging their edges.

    >>> a, b = {"Mass": np.array([[0, 0, 10, 10.0]])}, {"Mass": np.array([[0, 0, 10, 12.0]])}
    >>> agreed({"a": a, "b": b}, "Mass", 2).tolist()
    [[0.0, 0.0, 10.0, 11.0]]
    """
    owners = np.array([reader for reader, marked in readings.items() for _ in marked.get(finding, ())])
    boxes = as_boxes([box for marked in readings.values() for box in marked.get(finding, ())])
    if not len(boxes):
        return boxes
    from scipy.sparse.csgraph import connected_components  # slow import

    number, group_of = connected_components(iou(boxes, boxes) >= ALIKE, directed=False)
    groups = [np.flatnonzero(group_of == group) for group in range(number)]
    return as_boxes([boxes[group].mean(axis=0) for group in groups if len(set(owners[group])) >= votes])
