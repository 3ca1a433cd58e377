"""RSNA Pneumonia Detection Challenge 2018."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.errors import DataError, examples
from core.files import file_hash
from datasets.base import Request
from datasets.file_dataset import FileDataset, ImageRow, Truth, boxes_by_image, by_stem, split_names, with_file
from datasets.io.dicom_headers import read_headers
from datasets.io.download import Kaggle
from datasets.io.tables import numbers, read_csv

FRAME = (1024, 1024)
"""(H, W) of every image."""
LABELS, CLASSES, MAPPING = (
    "stage_2_train_labels.csv",
    "stage_2_detailed_class_info.csv",
    "pneumonia-challenge-dataset-mappings_2018.json",
)
SIDES = ["x", "y", "width", "height"]
ORIGIN = Kaggle("competitions", "rsna-pneumonia-detection-challenge")
LAYOUT = (
    f"expected stage_2_train_images/*.dcm and {LABELS}, from {ORIGIN}; "
    f"better with {MAPPING} of www.rsna.org beside them"
)


class RsnaPneumonia(FileDataset):
    """RSNA Pneumonia Detection Challenge: 26,684 labelled frontal radiographs of NIH's, lung opacities boxed.

    ::

        root/  stage_2_train_images/<patientId>.dcm   stage_2_train_labels.csv
               stage_2_detailed_class_info.csv (optional)
               pneumonia-challenge-dataset-mappings_2018.json (better with it)

    Labels: 1 finding, Pneumonia (``Target``: opacities suspicious of it). Boxes: several an image, x, y, width, height
    from the upper left edge, in the frame of the DICOM files, **1024x1024**; clipped at the image's edge.

    ``patientId`` names an image, not a patient: RSNA's mapping to NIH's file names is needed to keep a patient's images
    on one side, and to know which of them a model trained on NIH has seen (``meta["nih"]``). Without it each image
    counts as a patient, and ``describe["patients"]`` says so. The challenge's own test images have no public labels:
    the official partition is a draw by patient. Age, sex and view are those of the files' headers. Option
    ``whole=True``: all images are test, for a model trained on others.

    Licence: RSNA allows academic, educational, commercial and other use if it is named; Kaggle's copy has the
    challenge's rules, and NIH's terms hold for the images. Cite: Shih et al., Augmenting the NIH Chest Radiograph
    Dataset with Expert Annotations of Possible Pneumonia, Radiology: AI 1 (2019) e180041.
    """

    name = "rsna_pneumonia"
    origin, layout = ORIGIN, LAYOUT

    def __init__(self, request: Request, whole: bool = False) -> None:
        self.findings, self.split = request.task({1: ("Pneumonia",)}, self.name, 1), request.split
        root = request.folder(LAYOUT)
        target, boxed, edges = _labels(root / LABELS)
        files = by_stem(root, "stage_2_train_images")
        images = with_file(root, target, files, LAYOUT)
        nih = _nih(root / MAPPING)
        patients = [nih.get(image, image).split("_")[0] for image in images]
        findings = ["Pneumonia"] * len(boxed)
        truth, clipped = boxes_by_image(root / LABELS, boxed, findings, edges, dict.fromkeys(images, FRAME))
        names = split_names(patients, request, whole=whole)
        listed = _rows(root, images, patients, target, truth, files, nih)
        self.rows = _described([row for row, at in zip(listed, names, strict=True) if at == self.split], root, request)
        self.describe = {
            "partition": "whole" if whole else request.partition,
            "lists": "none published: drawn by patient",
            "patients": "NIH's" if nih else "unknown: each image counts as one",
            "images": len(self.rows),
            "images_without_file": len(target) - len(images),
            "boxes_clipped": clipped,
            "tables": {name: file_hash(root / name) for name in (LABELS, MAPPING) if (root / name).is_file()},
        }


def _labels(path: Path) -> tuple[dict[str, int], list[str], np.ndarray]:
    """Image -> 0 or 1; the image of each box; the (n,4) xyxy boxes. A row that is there twice counts once."""
    raw = read_csv(path, ("patientId", *SIDES, "Target")).drop_duplicates()
    if not raw["Target"].isin(("0", "1")).all():
        raise DataError(f"{path} has a Target other than 0 and 1: {examples(sorted(set(raw['Target']) - {'0', '1'}))}")
    each = raw.groupby("patientId", sort=False)["Target"].nunique()
    if (each > 1).any():
        raise DataError(f"{path} has {int((each > 1).sum())} images of both Targets: {examples(each.index[each > 1])}")
    positive = raw["Target"] == "1"
    if (raw.loc[~positive, SIDES] != "").any(axis=None):
        listing = examples(raw.loc[~positive & (raw[SIDES] != "").any(axis=1), "patientId"])
        raise DataError(f"{path} has boxes where Target is 0: {listing}")
    corner = np.stack([numbers(path, raw.loc[positive, side]).to_numpy() for side in SIDES], axis=1)
    edges = np.concatenate([corner[:, :2], corner[:, :2] + corner[:, 2:]], axis=1)
    targets = dict(zip(raw["patientId"], raw["Target"].astype(int), strict=True))
    return targets, raw.loc[positive, "patientId"].tolist(), edges


def _nih(path: Path) -> dict[str, str]:
    """Image -> NIH's file name; nothing without the mapping."""
    if not path.is_file():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8-sig"))
        return {str(entry["subset_img_id"]): str(entry["img_id"]) for entry in entries}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"cannot read {path}: a list of entries with subset_img_id and img_id is expected ({str(error)[:200]})"
        ) from error


def _described(rows: list[ImageRow], root: Path, request: Request) -> list[ImageRow]:
    """The rows with age, sex and view of their files' headers; whoever decodes a file without one hears why."""
    heads, _ = read_headers(root, (row.path for row in rows), request.cache)
    return [replace(row, meta={**heads[row.path].meta, **row.meta}) if row.path in heads else row for row in rows]


def _rows(
    root: Path,
    images: list[str],
    patients: list[str],
    target: dict[str, int],
    truth: Truth,
    files: dict[str, Path],
    nih: dict[str, str],
) -> list[ImageRow]:
    classes: dict[str, str] = {}
    if (root / CLASSES).is_file():
        table = read_csv(root / CLASSES, ("patientId", "class"))
        classes = dict(zip(table["patientId"], table["class"], strict=True))
    rows = []
    for image, patient in zip(images, patients, strict=True):
        label, about = np.array([target[image]], np.float32), {"class": classes.get(image), "nih": nih.get(image)}
        meta = {name: value for name, value in about.items() if value}
        rows.append(ImageRow(image, patient, files[image], FRAME, label, truth.get(image, {}), meta))
    return rows
