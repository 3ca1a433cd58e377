"""SIIM-FISABIO-RSNA COVID-19 Detection."""

from pathlib import Path

import numpy as np
import pandas as pd

from core.errors import BadValueError
from core.files import file_hash
from core.seeds import generator
from core.types import FloatArray
from datasets.base import Request
from datasets.file_dataset import (
    FileDataset,
    ImageRow,
    boxes_by_image,
    by_stem,
    log_unreadable,
    split_names,
    task,
    with_file,
)
from datasets.io.dicom import Header
from datasets.io.dicom_headers import read_headers
from datasets.io.download import Kaggle
from datasets.siim_covid.tables import CLASSES, IMAGES, STUDIES, read_boxes, read_images

TASKS = {1: ("Pneumonia",), 4: CLASSES}
ORIGIN = Kaggle("competitions", "siim-covid19-detection")
LAYOUT = f"expected {STUDIES}, {IMAGES} and train/<study>/<series>/<image>.dcm, from {ORIGIN}"


class SiimCovid(FileDataset):
    """SIIM-FISABIO-RSNA COVID-19 Detection: 6,334 labelled radiographs of 6,054 studies, boxes of opacities.

    ::

        root/  train/<study>/<series>/<image>.dcm   train_study_level.csv   train_image_level.csv

    Labels: one of four appearances a study. The task with 1 finding is Pneumonia (any but ``Negative for Pneumonia``);
    the task with 4 has one label an image (softmax: ``--multi_label False``). Boxes: opacities, x, y, width, height
    from the upper left edge, in the **frame of the DICOM file**, whose size varies; they are the boxes of the study's
    appearance.

    A study with several images, laterals and repeats among them, is left out; ``studies="all"`` keeps it. Three of four
    studies are positive: for the task with 1 finding as many images of either label are drawn by the seed in training,
    and validation and test stay as they are (no box is lost, figures are of the true mix). ``balanced="all"`` draws in
    every split, as ihamdi/Covid-xRay-Classification did before it split, whose accuracies are of such a mix; ``"none"``
    in none. The challenge's own test images have no public labels: the official partition is a draw by patient, whose
    pseudonym is in each DICOM file; without one a study counts as a patient.

    Licence: the challenge's rules, and the terms of the sources of its images, BIMCV-COVID19 and MIDRC-RICORD. Cite:
    Lakhani et al., The 2021 SIIM-FISABIO-RSNA Machine Learning COVID-19 Challenge, J. Digital Imaging 36 (2023) 365.
    """

    name = "siim_covid"
    origin, layout = ORIGIN, LAYOUT

    def __init__(self, request: Request, studies: str = "single", balanced: str = "train") -> None:
        if studies not in ("single", "all"):
            raise BadValueError(f"studies is {studies!r}: give single (studies of one image) or all")
        if balanced not in ("train", "all", "none"):
            known = "train (as many of either label in training), all (in every split) or none"
            raise BadValueError(f"balanced is {balanced!r}: give {known}")
        self.findings, self.split = task(request, TASKS, self.name, 1), request.split
        root = request.folder(LAYOUT)
        table = read_images(root)
        several = table["study"].duplicated(keep=False)
        listed = table[~several] if studies == "single" else table
        files = by_stem(root, "train/*/*")
        present = with_file(root, listed.index, files, LAYOUT)
        headers, bad = read_headers(root, (files[image] for image in present), request.cache)
        table = table.loc[[image for image in present if files[image] in headers]]
        patients = [headers[files[str(image)]].patient or study for image, study in table["study"].items()]
        chosen = table.assign(patient=patients)[split_names(patients, request) == self.split]
        kept = _balanced(chosen, request) if len(self.findings) == 1 and balanced in ("all", self.split) else chosen
        boxes, clipped = _boxes(root, kept, {image: headers[files[image]].frame for image in kept.index})
        each = [(str(image), row, files[str(image)]) for image, row in kept.iterrows()]
        self.rows = [self._row(image, row, path, headers[path], boxes) for image, row, path in each]
        self.describe = {
            "partition": request.partition,
            "lists": "none published: drawn by patient",
            "studies": studies,
            "balanced": balanced if len(self.findings) == 1 else "none",
            "images": len(kept),
            "images_of_studies_with_several": int(several.sum()),
            "images_without_file": len(listed) - len(present),
            "images_unreadable": log_unreadable(root, bad, len(headers)),
            "left_out_to_balance": len(chosen) - len(kept),
            "boxes_clipped": clipped,
            "tables": {name: file_hash(root / name) for name in (STUDIES, IMAGES)},
        }

    def _row(self, image: str, row: pd.Series, path: Path, head: Header, boxes: dict[str, FloatArray]) -> ImageRow:
        appearance = row["appearance"]
        positive = appearance != CLASSES[0]
        values = [positive] if len(self.findings) == 1 else [appearance == word for word in CLASSES]
        finding = self.findings[0] if len(self.findings) == 1 else appearance
        truth = {finding: boxes[image]} if image in boxes and positive else {}
        meta = {**head.meta, "study": row["study"], "appearance": appearance}
        return ImageRow(image, row["patient"], path, head.frame, np.array(values, np.float32), truth, meta)


def _balanced(table: pd.DataFrame, request: Request) -> pd.DataFrame:
    """As many images of either label, drawn by the seed; the order is kept. All, where one label has none."""
    negative = (table["appearance"] == CLASSES[0]).to_numpy()
    sides = [np.flatnonzero(negative), np.flatnonzero(~negative)]
    count = min(map(len, sides))
    if not count:
        return table
    chance = generator(request.seed, "balance", request.split)
    return table.iloc[np.sort(np.concatenate([chance.permutation(side)[:count] for side in sides]))]


def _boxes(root: Path, table: pd.DataFrame, frames: dict[str, tuple[int, int]]) -> tuple[dict[str, FloatArray], int]:
    """Image -> (M,4) boxes of its opacities."""
    path = root / IMAGES
    flat = [(str(image), box) for image, cell in table["boxes"].items() for box in read_boxes(path, str(image), cell)]
    owners = [image for image, _ in flat]
    truth, clipped = boxes_by_image(path, owners, ["opacity"] * len(flat), [box for _, box in flat], frames)
    return {image: each["opacity"] for image, each in truth.items()}, clipped
