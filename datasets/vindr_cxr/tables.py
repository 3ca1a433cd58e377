"""VinDr-CXR's tables of marks: a row a reader and a finding."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from core.types import FloatArray
from datasets.file_dataset import boxes_by_image
from datasets.io.tables import numbers, read_csv, refuse_unknown
from datasets.vindr_cxr.readers import Readings

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
"""The one reader of a table without readers."""


@dataclass(frozen=True)
class MarkTable:
    """Who has marked what, where."""

    path: Path
    marks: pd.DataFrame
    """Columns image, reader, finding and the four edges, a row a box."""
    readers: Mapping[str, list[str]]
    """Image -> its readers, those who found nothing among them; in the order of the file."""

    def readings(self, frames: Mapping[str, tuple[int, int]]) -> tuple[dict[str, Readings], int]:
        """Image -> reader -> finding -> (M,4), for the images in ``frames``, and how many boxes were clipped."""
        owners = list(zip(self.marks["reader"], self.marks["finding"], strict=True))
        words = [f"{finding} of {reader}" for reader, finding in owners]
        images, edges = self.marks["image"].tolist(), self.marks[list(EDGES)].to_numpy()
        truth, clipped = boxes_by_image(self.path, images, words, edges, frames)
        pairs = dict(zip(words, owners, strict=True))
        readings: dict[str, dict[str, dict[str, FloatArray]]] = {
            image: {reader: {} for reader in readers} for image, readers in self.readers.items() if image in frames
        }
        for image, each in truth.items():
            for word, boxes in each.items():
                reader, finding = pairs[word]
                readings[image][reader][finding] = boxes
        return dict(readings), clipped


def read_marks(path: Path) -> MarkTable:
    """The marks of a table; a row that is there twice counts once, and one that says ``No finding`` has no box."""
    raw = read_csv(path, ("image_id", "class_name", *EDGES)).drop_duplicates()
    known = {word.lower(): word for word in (*TASKS[22], NORMAL)}
    finding = raw["class_name"].map(lambda word: known.get(word.lower(), word))
    refuse_unknown(path, finding, tuple(known.values()))
    reader = raw["rad_id"] if "rad_id" in raw else pd.Series(ALONE, index=raw.index)
    readers = reader.groupby(raw["image_id"], sort=False).agg(lambda some: list(dict.fromkeys(some)))
    marked = finding != NORMAL
    columns = {"image": raw["image_id"][marked], "reader": reader[marked], "finding": finding[marked]}
    edges = {edge: numbers(path, raw[edge][marked]).astype(np.float64) for edge in EDGES}
    return MarkTable(path, pd.DataFrame({**columns, **edges}), {str(image): some for image, some in readers.items()})
