"""VinDr-CXR, from Kaggle or PhysioNet."""

from functools import partial
from itertools import compress
from pathlib import Path
from typing import Literal

import numpy as np

from core.errors import DataError
from core.types import Sample
from datasets import splits
from datasets.base import Request
from datasets.file_dataset import FileDataset, by_stem, described, in_split, log_unreadable, with_file
from datasets.io import dicom
from datasets.io.dicom_headers import read_headers
from datasets.io.download import Kaggle
from datasets.io.tables import first_of
from datasets.table_rows import file_sample
from datasets.vindr_cxr.readers import CONSENSUS, FINDINGS, TASKS, TRAIN, Readings, agreed, read_marks, readings


class VindrCxr(FileDataset):
    """VinDr-CXR: 15,000 radiographs read by three radiologists each, and 3,000 with the consensus of five.

    ::

        root/  train/<image>.dicom   train.csv                                                     Kaggle's, 14 findings
        root/  train/  test/<image>.dicom   annotations/annotations_train.csv  annotations_test.csv   PhysioNet's, 22

    Labels: 14 findings, or PhysioNet's 22; a finding is present if at least ``votes`` readers (option, 2) marked it.
    Boxes: x_min, y_min, x_max, y_max as edges in the **frame of the DICOM file**, whose size varies; clipped at the
    image's edge. Overlapping boxes of several readers are merged by averaging their edges; merged boxes of fewer than
    ``votes`` readers are not truth, so a label may be 1 without a box. ``readings(i)`` returns the boxes of each
    reader; suites use them for the row ``readers``, an upper bound of scores (``benchmark.suite.readers``).

    Official split: PhysioNet's, with the consensus images as test. Kaggle's test images have no public labels, so its
    split is random. Patients are not published: each image counts as one. Option ``whole=True``: all images are test,
    for a model trained on other data.

    Licence: PhysioNet's credentialed licence, for research, or the rules of Kaggle's challenge. Cite: Nguyen et al.,
    VinDr-CXR: An open dataset of chest X-rays with radiologist's annotations, Scientific Data 9 (2022) 429;
    doi:10.13026/3akn-b287.
    """

    name = "vindr_cxr"
    origin = Kaggle("competitions", "vinbigdata-chest-xray-abnormalities-detection")
    layout = (
        f"expected train/<image>.dicom and train.csv, from {origin}; or train/, test/ and "
        "annotations/annotations_train.csv, annotations_test.csv, from https://physionet.org/content/vindr-cxr "
        "(credentialed access)"
    )
    has_readings = True

    def __init__(self, request: Request, votes: Literal[1, 2, 3] = 2, whole: bool = False) -> None:
        root, self.split, self._votes = request.folder(self.layout), request.split, votes
        paths = [path for path in (first_of(root, TRAIN), first_of(root, CONSENSUS)) if path]
        if not paths:
            raise DataError(f"{root} has no table of annotations: {self.layout}")
        tables = {path: read_marks(path) for path in paths}
        physionet = any(path.parent != root for path in paths)
        self.findings = request.task(TASKS if physionet else {14: FINDINGS}, self.name, 14)
        test = {image for path in paths if path.name == Path(CONSENSUS[0]).name for image in tables[path]["image"]}
        listed = list(dict.fromkeys(image for table in tables.values() for image in table["image"]))
        files = by_stem(root, "train", "test")
        images = with_file(root, listed, files, self.layout)
        training = np.array([image not in test for image in images])
        official = partial(splits.hold_out_val, images, training, request.seed) if test else None
        chosen = [*compress(images, in_split(images, request, official, whole))]
        headers, bad = read_headers(root, {image: files[image] for image in chosen}, request.cache)
        frames = {image: head.frame for image, head in headers.items()}
        read = [readings(path, table, frames) for path, table in tables.items()]
        marks = {image: image_readings for by_image, _ in read for image, image_readings in by_image.items()}
        self._readings = [marks[image] for image in headers]
        self.rows = [self._row(image, files[image], head, marks[image]) for image, head in headers.items()]
        self.describe = described(
            "whole" if whole else request.partition, self.rows, len(listed) - len(images),
            sum(clipped for _, clipped in read), paths,
            lists="consensus of five is test" if test else "none published: drawn by image",
            patients="unknown: each image counts as one", votes=votes,
            images_unreadable=log_unreadable(root, bad, len(headers)),
        )  # fmt: skip

    def readings(self, index: int) -> Readings:
        """Return each reader's boxes on the image at ``index``: reader -> finding -> (M,4) in its frame."""
        return self._readings[index]

    def _row(self, image: str, path: Path, head: dicom.Header, readings: Readings) -> Sample:
        votes = min(self._votes, len(readings))  # a consensus counts as one reading
        counts = [sum(finding in marked for marked in readings.values()) for finding in self.findings]
        agreements = {finding: agreed(readings, finding, votes) for finding in self.findings}
        truth = {finding: boxes for finding, boxes in agreements.items() if len(boxes)}
        labels = (np.array(counts) >= votes).astype(np.float32)
        return file_sample(image, image, path, head.frame, labels, truth, head.meta)
