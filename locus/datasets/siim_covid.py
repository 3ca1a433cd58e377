"""SIIM-FISABIO-RSNA COVID-19 Detection."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, Literal

import numpy as np

from locus.core.errors import DataError
from locus.core.types import FloatArray, Sample, generator
from locus.datasets import _files
from locus.datasets.base import About, Request
from locus.datasets.io import pd
from locus.datasets.io.dicom import Header, read_headers
from locus.datasets.io.download import Kaggle
from locus.datasets.io.tables import raise_if_any, read_csv, refuse_duplicates

CLASSES = (
    "Negative for Pneumonia",
    "Typical Appearance",
    "Indeterminate Appearance",
    "Atypical Appearance",
)
TASKS = {1: ("Pneumonia",), 4: CLASSES}
STUDIES, IMAGES = "train_study_level.csv", "train_image_level.csv"
MAX_CELL_LENGTH = 20_000
"""Maximum number of characters in a cell of boxes."""
OPACITY = "opacity"
"""Internal finding of all boxes, before they get the appearance of their study."""
Edges = tuple[float, float, float, float]


class SiimCovid(_files.FileDataset):
    """SIIM-FISABIO-RSNA COVID-19 Detection: 6,334 radiographs of 6,054 studies, with boxes of opacities.

    ::

        root/  train/<study>/<series>/<image>.dcm   train_study_level.csv   train_image_level.csv

    Labels: one of four appearances per study. The task with 1 finding is Pneumonia (any but ``Negative for
    Pneumonia``); the task with 4 has one label per image (softmax: ``--multi_label False``). Boxes: opacities, x, y,
    width, height from the upper left corner, in the **frame of the DICOM file**, whose size varies; they count as boxes
    of the study's appearance.

    Studies with several images (some are lateral views or repeats) are excluded; ``studies="all"`` keeps them. Three of
    four studies are positive. For the task with 1 finding, the training split gets a random subset with equally many
    positive and negative images; validation and test keep all images. ``balanced="all"`` balances every split, as
    ihamdi/Covid-xRay-Classification did, and ``"none"`` none. The test images of the challenge have no public labels:
    the official partition is a random split by patient. The patient's pseudonym is in each DICOM file; if it is
    missing, the study counts as a patient.

    Licence: the challenge's rules, and the terms of the sources of its images, BIMCV-COVID19 and MIDRC-RICORD. Cite:
    Lakhani et al., The 2021 SIIM-FISABIO-RSNA Machine Learning COVID-19 Challenge, J. Digital Imaging 36 (2023) 365.
    """

    name = "siim_covid"
    about = About(
        title="SIIM-FISABIO-RSNA COVID-19",
        size="6,334 images of 6,054 studies, DICOM",
        access="Kaggle, after accepting the challenge's rules",
        licence="the challenge's rules, and the terms of BIMCV-COVID19 and MIDRC-RICORD",
        citation="Lakhani et al., J. Digital Imaging 36 (2023) 365",
        boxes="an opacity of pneumonia, drawn by radiologists",
    )
    origin = Kaggle("competitions", "siim-covid19-detection")
    layout = f"expected {STUDIES}, {IMAGES} and train/<study>/<series>/<image>.dcm, from {origin}"

    def __init__(
        self,
        request: Request,
        studies: Literal["single", "all"] = "single",
        balanced: Literal["train", "all", "none"] = "train",
    ) -> None:
        self.findings = request.task(TASKS, self.name, 1)
        self.split = request.split
        root = request.folder(self.layout)
        table = _images(root)
        several = table["study"].duplicated(keep=False)
        listed = table[~several] if studies == "single" else table
        files = _files.by_stem(root, "train/*/*")
        present = _files.with_file(root, listed.index, files, self.layout)
        headers, bad = read_headers(root, {image: files[image] for image in present}, request.cache)
        table = table.loc[list(headers)]
        patients = [
            head.patient or study
            for head, study in zip(headers.values(), table["study"], strict=True)
        ]
        chosen = table.assign(patient=patients)[_files.in_split(patients, request)]
        rows = (
            _balanced(chosen, request)
            if len(self.findings) == 1 and balanced in ("all", self.split)
            else chosen
        )
        heads = {str(image): headers[str(image)] for image in rows.index}
        marks = (
            (i, OPACITY, box)
            for i in heads
            for box in _boxes(root / IMAGES, i, rows["boxes"][i], rows["label"][i])
        )
        frames = {image: head.frame for image, head in heads.items()}
        truth, clipped = _files.boxes_by_image(root / IMAGES, marks, frames)
        self.rows = [
            self._row(i, rows.loc[i].to_dict(), files[i], head, truth.get(i, {}))
            for i, head in heads.items()
        ]
        about = {
            "lists": "none published: drawn by patient",
            "studies": studies,
            "balanced": balanced if len(self.findings) == 1 else "none",
            "images_of_studies_with_several": int(several.sum()),
            "left_out_to_balance": len(chosen) - len(rows),
            "images_unreadable": _files.log_unreadable(root, bad, len(headers)),
        }
        without_file = len(listed) - len(present)
        tables = (root / STUDIES, root / IMAGES)
        self.describe = _files.described(
            request.partition, rows, without_file, clipped, tables, **about
        )

    def _row(
        self,
        image: str,
        row: dict[Any, Any],
        path: Path,
        head: Header,
        boxes: dict[str, FloatArray],
    ) -> Sample:
        appearance = row["appearance"]
        positive = appearance != CLASSES[0]
        values = (
            [positive]
            if len(self.findings) == 1
            else [appearance == class_name for class_name in CLASSES]
        )
        finding = self.findings[0] if len(self.findings) == 1 else appearance
        truth = {finding: boxes[OPACITY]} if positive and boxes else {}
        meta = {**head.meta, "study": row["study"], "appearance": appearance}
        labels = np.array(values, np.float32)
        return _files.file_sample(image, row["patient"], path, head.frame, labels, truth, meta)


def _balanced(table: pd.DataFrame, request: Request) -> pd.DataFrame:
    """Return a random subset with equally many images of either label, or all rows if one label has no images."""
    negative = (table["appearance"] == CLASSES[0]).to_numpy()
    sides = [np.flatnonzero(negative), np.flatnonzero(~negative)]
    count = min(map(len, sides))
    if not count:
        return table
    chance = generator(request.seed, "balance", request.split)
    return table.iloc[np.sort(np.concatenate([chance.permutation(side)[:count] for side in sides]))]


def _images(root: Path) -> pd.DataFrame:
    """Return image -> study, appearance (one of ``CLASSES``), and the unparsed cells of its boxes and label."""
    studies = _appearances(root / STUDIES)
    path = root / IMAGES
    raw = read_csv(path, ("id", "boxes", "label", "StudyInstanceUID"))
    names = raw["id"].str.removesuffix("_image")
    refuse_duplicates(path, names)
    study = raw["StudyInstanceUID"]
    raise_if_any(path, names[~study.isin(studies.index)], f"images of studies that {STUDIES} lacks")
    appearance = study.map(studies)
    has_boxes = raw["boxes"].str.startswith("[")
    raise_if_any(
        path, names[has_boxes & (appearance == CLASSES[0])], f"boxes of studies with {CLASSES[0]!r}"
    )
    columns = {
        "study": study,
        "appearance": appearance,
        "boxes": raw["boxes"],
        "label": raw["label"],
    }
    return pd.DataFrame(columns).set_axis(names, axis=0)


def _appearances(path: Path) -> pd.Series:
    """Return study -> appearance."""
    raw = read_csv(path, ("id", *CLASSES))
    names = raw["id"].str.removesuffix("_study")
    refuse_duplicates(path, names)
    marks = raw[list(CLASSES)]
    wrong = ~marks.isin(("0", "1")).all(axis=1) | ((marks == "1").sum(axis=1) != 1)
    raise_if_any(path, names[wrong], "studies that do not have exactly one appearance")
    return (marks == "1").idxmax(axis=1).set_axis(names, axis=0)


def _boxes(path: Path, image: str, cell: str, label: str = "") -> list[Edges]:
    """Parse the boxes in a cell as literals; return their xyxy edges.

    ``label``: the cell with the corners of the same boxes (``opacity 1 x0 y0 x1 y1 …``). Raises ``DataError`` if the
    boxes are corners, too.

    >>> _boxes(Path("t.csv"), "a", "[{'x': 1.5, 'y': 2, 'width': 3, 'height': 4}]")
    [(1.5, 2.0, 4.5, 6.0)]
    """
    if not cell:
        return []
    try:
        if len(cell) > MAX_CELL_LENGTH:
            raise ValueError("too long")
        sides = [
            tuple(float(box[side]) for side in ("x", "y", "width", "height"))
            for box in ast.literal_eval(cell)
        ]
    except (ValueError, SyntaxError, LookupError, TypeError, MemoryError, RecursionError) as error:
        raise DataError(
            f"{path}: the boxes of {image} are {cell[:60]!r}: write a list of "
            "{'x': …, 'y': …, 'width': …, 'height': …}"
        ) from error
    corners = [" ".join(f"{side:g}" for side in box) for box in sides]
    label_text = " ".join(
        f"{float(token):g}" if token[:1].isdigit() else token for token in label.split()
    )
    if any(f"{OPACITY} 1 {box}" in label_text for box in corners):
        raise DataError(
            f"{path}: the boxes of {image} are corners, as in label: write x, y, width and height"
        )
    return [(x, y, x + width, y + height) for x, y, width, height in sides]
