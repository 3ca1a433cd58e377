"""VinDr-CXR, from Kaggle or PhysioNet: boxes of several readers, and the truth on which they agree.

The tables have one row per reader and finding. ``readings`` returns the boxes of each reader, ``agreed`` merges those
of enough readers, and ``VindrCxr`` is the data set; its docstring describes files, options, splits and licence.
``locus.benchmark.evaluation.readers`` scores the readers against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Literal

import numpy as np

from locus.core.errors import DataError
from locus.core.frames import as_boxes, iou
from locus.core.types import FloatArray, Sample
from locus.datasets import _files, splits
from locus.datasets.base import About, Request
from locus.datasets.io import dicom, pd
from locus.datasets.io.dicom import read_headers
from locus.datasets.io.download import Kaggle
from locus.datasets.io.tables import (
    first_of,
    numbers,
    raise_if_any,
    read_csv,
    refuse_unknown,
    xrv_table,
)

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
SINGLE_READER = "consensus"
"""Reader of all rows in a table without a column of readers."""
MIN_READER_IOU = 0.4
"""Minimum IoU of two readers' boxes of the same lesion."""
MAX_FRAME = (16_384, 16_384)
"""Frame (H, W) of images without their files, whose sizes are not in the table: no box is clipped."""
Readings = Mapping[str, Mapping[str, FloatArray]]
"""Reader -> finding -> (M,4) boxes in the image's frame; a reader without marks has an empty mapping."""


def read_marks(path: Path) -> pd.DataFrame:
    """Return the distinct rows: image, reader, finding and four edges, which are nan for the finding ``NORMAL``.

    Raises ``DataError`` for rows without a reader, a reader who marks ``NORMAL`` beside a finding, and a class id of
    another finding.
    """
    is_consensus = path.name == Path(CONSENSUS[0]).name
    needed = ("image_id", "class_name", *EDGES)
    raw = read_csv(path, needed if is_consensus else ("rad_id", *needed)).drop_duplicates()
    spelling = {name.lower(): name for name in (*TASKS[22], NORMAL)}
    finding = raw["class_name"].map(lambda name: spelling.get(name.lower(), name))
    refuse_unknown(path, finding, tuple(spelling.values()))
    if "class_id" in raw:
        id_of = {name: str(number) for number, name in enumerate((*FINDINGS, NORMAL))}
        is_other = raw["class_id"] != finding.map(id_of)
        pairs = raw["class_id"][is_other] + " (" + finding[is_other] + ")"
        raise_if_any(
            path, pairs.unique(), "class_id that are not those of class_name", "; correct them"
        )
    edges = {edge: numbers(path, raw[edge][finding != NORMAL]).reindex(raw.index) for edge in EDGES}
    readers = raw["rad_id"] if "rad_id" in raw else pd.Series(SINGLE_READER, index=raw.index)
    raise_if_any(path, raw["image_id"][readers == ""].unique(), "rows without rad_id, of images")
    readings = raw["image_id"] + " of " + readers
    is_normal = finding == NORMAL
    both = readings[is_normal & readings.isin(readings[~is_normal])].unique()
    raise_if_any(path, both, f"images with {NORMAL!r} beside a finding", "; remove one of them")
    return pd.DataFrame({"image": raw["image_id"], "reader": readers, "finding": finding, **edges})


def readings(
    path: Path, marks: pd.DataFrame, frames: Mapping[str, tuple[int, int]]
) -> tuple[dict[str, Readings], int]:
    """Return image -> readings in the table at ``path`` for images in ``frames``, and the number of clipped boxes."""
    boxed = marks[marks["finding"] != NORMAL]
    names = boxed["finding"] + " of " + boxed["reader"]
    listed = zip(boxed["image"], names, boxed[list(EDGES)].to_numpy(), strict=True)
    truth, clipped = _files.boxes_by_image(path, listed, frames)
    read: dict[str, dict[str, dict[str, FloatArray]]] = {}
    for image, reader in zip(marks["image"], marks["reader"], strict=True):
        read.setdefault(image, {}).setdefault(reader, {})
    for image, reader_boxes in truth.items():
        for name, boxes in reader_boxes.items():
            finding, _, reader = name.partition(" of ")
            read[image][reader][finding] = boxes
    return {
        image: image_readings for image, image_readings in read.items() if image in frames
    }, clipped


def agreed(readings: Readings, finding: str, votes: int) -> FloatArray:
    """Return the (M,4) merged boxes of at least ``votes`` readers.

    Boxes linked by an IoU of at least ``MIN_READER_IOU`` are merged by averaging their edges.

    >>> a, b = {"Mass": np.array([[0, 0, 10, 10.0]])}, {"Mass": np.array([[0, 0, 10, 12.0]])}
    >>> agreed({"a": a, "b": b}, "Mass", 2).tolist()
    [[0.0, 0.0, 10.0, 11.0]]
    """
    owners = np.array(
        [reader for reader, marked in readings.items() for _ in marked.get(finding, ())]
    )
    boxes = as_boxes([box for marked in readings.values() for box in marked.get(finding, ())])
    if not len(boxes):
        return boxes
    from scipy.sparse.csgraph import connected_components  # slow import

    number, group_of = connected_components(iou(boxes, boxes) >= MIN_READER_IOU, directed=False)
    groups = [np.flatnonzero(group_of == group) for group in range(number)]
    return as_boxes(
        [boxes[group].mean(axis=0) for group in groups if len(set(owners[group])) >= votes]
    )


class VindrCxr(_files.FileDataset):
    """VinDr-CXR: 15,000 radiographs read by three radiologists each, and 3,000 with the consensus of five.

    ::

        root/  train/<image>.dicom   train.csv                                                     Kaggle's, 14 findings
        root/  train/  test/<image>.dicom   annotations/annotations_train.csv  annotations_test.csv   PhysioNet's, 22

    Labels: 14 findings, or PhysioNet's 22; a finding is present if at least ``votes`` readers (option, 2) marked it.
    Boxes: x_min, y_min, x_max, y_max as edges in the **frame of the DICOM file**, whose size varies; clipped at the
    image's edge. Overlapping boxes of several readers are merged by averaging their edges; merged boxes of fewer than
    ``votes`` readers are not truth, so a label may be 1 without a box. ``readings(i)`` returns the boxes of each
    reader; suites use them for the row ``readers``, an upper bound of scores (``locus.benchmark.evaluation.readers``).

    Official split: PhysioNet's, with the consensus images as test. Kaggle's test images have no public labels, so its
    split is random. Patients are not published: each image counts as one. Option ``whole=True``: all images are test,
    for a model trained on other data. Option ``images=False``: the boxes of all readers alone, from the table in the
    package torchxrayvision (Kaggle's 15,000 images); frames are unknown.

    Licence: PhysioNet's credentialed licence, for research, or the rules of Kaggle's challenge. Cite: Nguyen et al.,
    VinDr-CXR: An open dataset of chest X-rays with radiologist's annotations, Scientific Data 9 (2022) 429;
    doi:10.13026/3akn-b287.
    """

    name = "vindr_cxr"
    about = About(
        title="VinDr-CXR",
        size="15,000 images with three readers each and 3,000 with a consensus of five, DICOM",
        access="PhysioNet, credentialed; or Kaggle, after accepting the challenge's rules",
        licence="PhysioNet's credentialed licence, for research; or the challenge's rules",
        citation="Nguyen et al., Scientific Data 9 (2022) 429; doi:10.13026/3akn-b287",
        boxes="a finding that at least two of three radiologists marked, edges averaged",
    )
    origin = Kaggle("competitions", "vinbigdata-chest-xray-abnormalities-detection")
    layout = (
        f"expected train/<image>.dicom and train.csv, from {origin}; or train/, test/ and "
        "annotations/annotations_train.csv, annotations_test.csv, from https://physionet.org/content/vindr-cxr "
        "(credentialed access)"
    )
    has_readings = True

    def __init__(
        self,
        request: Request,
        votes: Literal[1, 2, 3] = 2,
        whole: bool = False,
        images: bool = True,
    ) -> None:
        if not images:
            self._load_readings(request, votes)
            return
        root = request.folder(self.layout)
        self.split = request.split
        self._votes = votes
        paths = [path for path in (first_of(root, TRAIN), first_of(root, CONSENSUS)) if path]
        if not paths:
            raise DataError(f"{root} has no table of annotations: {self.layout}")
        tables = {path: read_marks(path) for path in paths}
        physionet = any(path.parent != root for path in paths)
        self.findings = request.task(TASKS if physionet else {14: FINDINGS}, self.name, 14)
        consensus_name = Path(CONSENSUS[0]).name
        test: set[str] = set()
        for path in paths:
            if path.name == consensus_name:
                test.update(tables[path]["image"])
        listed = list(dict.fromkeys(image for table in tables.values() for image in table["image"]))
        files = _files.by_stem(root, "train", "test")
        names = _files.with_file(root, listed, files, self.layout)
        training = np.array([image not in test for image in names])
        official = partial(splits.hold_out_val, names, training, request.seed) if test else None
        chosen = [*compress(names, _files.in_split(names, request, official, whole))]
        headers, bad = read_headers(root, {image: files[image] for image in chosen}, request.cache)
        frames = {image: head.frame for image, head in headers.items()}
        read = [readings(path, table, frames) for path, table in tables.items()]
        marks = {
            image: image_readings
            for by_image, _ in read
            for image, image_readings in by_image.items()
        }
        self._readings = [marks[image] for image in headers]
        self.rows = [
            self._row(image, files[image], head, marks[image]) for image, head in headers.items()
        ]
        about = {
            "lists": "consensus of five is test" if test else "none published: drawn by image",
            "patients": "unknown: each image counts as one",
            "votes": votes,
            "images_unreadable": _files.log_unreadable(root, bad, len(headers)),
        }
        partition = "whole" if whole else request.partition
        without_file = len(listed) - len(names)
        clipped_boxes = sum(clipped for _, clipped in read)
        self.describe = _files.described(
            partition, self.rows, without_file, clipped_boxes, paths, **about
        )

    def _load_readings(self, request: Request, votes: Literal[1, 2, 3]) -> None:
        """Set all images of the table in the package torchxrayvision, without pixels and with one large frame."""
        path = xrv_table("vinbigdata-train.csv.gz")
        self.findings = request.task({14: FINDINGS}, self.name, 14)
        self.split = request.split
        self._votes = votes
        marks = read_marks(path)
        read, _ = readings(path, marks, dict.fromkeys(marks["image"], MAX_FRAME))
        self._readings = [*read.values()]
        head = dicom.Header(MAX_FRAME, "", {})
        self.rows = _files.without_pixels(
            self._row(image, Path(), head, of_image) for image, of_image in read.items()
        )
        about = {"patients": "unknown: each image counts as one", "votes": votes}
        self.describe = _files.described("whole", self.rows, 0, 0, [path], **about)

    def readings(self, index: int) -> Readings:
        """Return each reader's boxes on the image at ``index``: reader -> finding -> (M,4) in its frame."""
        return self._readings[index]

    def _row(self, image: str, path: Path, head: dicom.Header, readings: Readings) -> Sample:
        votes = min(self._votes, len(readings))  # a consensus counts as one reading
        counts = [
            sum(finding in marked for marked in readings.values()) for finding in self.findings
        ]
        agreements = {finding: agreed(readings, finding, votes) for finding in self.findings}
        truth = {finding: boxes for finding, boxes in agreements.items() if len(boxes)}
        labels = (np.array(counts) >= votes).astype(np.float32)
        return _files.file_sample(image, image, path, head.frame, labels, truth, head.meta)
