"""RSNA Pneumonia Detection Challenge 2018."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Literal

import numpy as np

from locus.core.types import Sample
from locus.datasets import _files, splits
from locus.datasets.base import Request
from locus.datasets.io.dicom import read_headers
from locus.datasets.io.download import Kaggle
from locus.datasets.io.tables import raise_if_any, read_csv, read_xywh, reading_json, xrv_table
from locus.datasets.nih import patient_of
from locus.datasets.splits import of_lovt

FRAME = (1024, 1024)
"""(H, W) of every image."""
LABELS, CLASSES, MAPPING = (
    "stage_2_train_labels.csv",
    "stage_2_detailed_class_info.csv",
    "pneumonia-challenge-dataset-mappings_2018.json",
)
HELD_OUT_IMAGES = 10_674
"""Validation and test images of MGCA's split, together."""
SIDES = ["x", "y", "width", "height"]


class RsnaPneumonia(_files.FileDataset):
    """RSNA Pneumonia Detection Challenge: 26,684 of NIH's frontal radiographs, with boxes of lung opacities.

    ::

        root/  stage_2_train_images/<patientId>.dcm   stage_2_train_labels.csv
               stage_2_detailed_class_info.csv (optional)
               pneumonia-challenge-dataset-mappings_2018.json (recommended)

    Labels: 1 finding, Pneumonia (``Target``: opacities suspicious of it). Boxes: several per image, x, y, width, height
    from the upper left corner, in the frame of the DICOM files, **1024x1024**; clipped at the image's edge.

    ``patientId`` names an image, not a patient. RSNA's mapping to NIH's file names is required to keep a patient's
    images in one split, and to know which images a model trained on NIH has seen (``meta["nih"]``). Without it, each
    image counts as a patient, and ``describe["patients"]`` says so. The test images of the challenge have no public
    labels: the official partition is a random split by patient. Age, sex and view come from the file headers. Option
    ``whole=True``: all images are test, for a model trained on other data.

    Option ``images=False``: the truth alone, from the table in the package torchxrayvision. The official partition is
    then that of LoVT (16,010, 5,337 and 5,337 images), which zero-shot papers use, or with ``lists=mgca`` the one that
    MGCA's code draws; each image counts as a patient.

    Licence: RSNA allows academic, educational, commercial and other use with attribution; Kaggle's copy has the
    challenge's rules, and NIH's terms apply to the images. Cite: Shih et al., Augmenting the NIH Chest Radiograph
    Dataset with Expert Annotations of Possible Pneumonia, Radiology: AI 1 (2019) e180041.
    """

    name = "rsna_pneumonia"
    origin = Kaggle("competitions", "rsna-pneumonia-detection-challenge")
    layout = (
        f"expected stage_2_train_images/*.dcm and {LABELS}, from {origin}; recommended: {MAPPING} from www.rsna.org"
    )

    def __init__(
        self, request: Request, whole: bool = False, images: bool = True, lists: Literal["lovt", "mgca"] = "lovt"
    ) -> None:
        self.findings, self.split = request.task({1: ("Pneumonia",)}, self.name, 1), request.split
        if not images:
            self._load_truth(request, whole, lists)
            return
        root = request.folder(self.layout)
        target, boxed, edges = _labels(root / LABELS)
        files = _files.by_stem(root, "stage_2_train_images")
        names = _files.with_file(root, target, files, self.layout)
        nih = _nih(root / MAPPING)
        patients = [patient_of(nih.get(image, image)) for image in names]
        marks = ((image, "Pneumonia", box) for image, box in zip(boxed, edges, strict=True))
        truth, clipped = _files.boxes_by_image(root / LABELS, marks, dict.fromkeys(names, FRAME))
        chosen = dict(compress(zip(names, patients, strict=True), _files.in_split(patients, request, whole=whole)))
        heads, _ = read_headers(root, {image: files[image] for image in chosen}, request.cache)
        classes = _classes(root / CLASSES)
        self.rows = []
        for image, patient in chosen.items():
            labels = np.array([target[image]], np.float32)
            about = {"class": classes.get(image), "nih": nih.get(image)}
            meta = (heads[image].meta if image in heads else {}) | {
                name: value for name, value in about.items() if value
            }
            self.rows.append(
                _files.file_sample(image, patient, files[image], FRAME, labels, truth.get(image, {}), meta)
            )
        tables = [root / name for name in (LABELS, MAPPING) if (root / name).is_file()]
        partition, without_file = "whole" if whole else request.partition, len(target) - len(names)
        known = "NIH's" if nih else "unknown: each image counts as one"
        about = {"lists": "none published: drawn by patient", "patients": known}
        self.describe = _files.described(partition, self.rows, without_file, clipped, tables, **about)

    def _load_truth(self, request: Request, whole: bool, lists: Literal["lovt", "mgca"]) -> None:
        """Set the rows of a split without pixels, and the training part."""
        path = xrv_table(f"kaggle_{LABELS}.zip")
        target, boxed, edges = _labels(path)
        names = [*target]
        listed = partial(of_lovt, self.name, names, path) if lists == "lovt" else partial(of_mgca, names)
        chosen = [*compress(names, _files.in_split(names, request, listed, whole))]
        marks = ((image, "Pneumonia", box) for image, box in zip(boxed, edges, strict=True))
        truth, clipped = _files.boxes_by_image(path, marks, dict.fromkeys(chosen, FRAME))
        labels = {image: np.array([target[image]], np.float32) for image in chosen}
        self.rows = _files.without_pixels(
            _files.file_sample(image, image, "", FRAME, labels[image], truth.get(image, {})) for image in chosen
        )
        self.training_part = partial(_training_part, request, lists)
        about = {"lists": lists, "patients": "unknown: each image counts as one"}
        self.describe = _files.described(
            "whole" if whole else request.partition, self.rows, 0, clipped, [path], **about
        )


def _training_part(request: Request, lists: Literal["lovt", "mgca"]) -> Sequence[Sample]:
    return RsnaPneumonia(replace(request, split="train"), images=False, lists=lists).rows


def of_mgca(images: Sequence[str]) -> splits.SplitNames:
    """Return (N,) the split names of MGCA's code (Wang et al., NeurIPS 2022): 16,010, 5,337 and 5,337 images."""
    names = np.full(len(images), "train")
    held = np.random.RandomState(0).permutation(len(images))[:HELD_OUT_IMAGES]
    drawn = np.random.RandomState(0).permutation(HELD_OUT_IMAGES)
    names[held] = np.where(np.argsort(drawn) < HELD_OUT_IMAGES // 2, "val", "test")
    order = np.argsort(np.asarray(images))
    out = np.empty_like(names)
    out[order] = names
    return out


def _labels(path: Path) -> tuple[dict[str, int], list[str], np.ndarray]:
    """Return image -> 0 or 1; the image of each box; the (n,4) xyxy boxes. Duplicate rows count once."""
    raw = read_csv(path, ("patientId", *SIDES, "Target")).drop_duplicates()
    raise_if_any(path, sorted(set(raw["Target"]) - {"0", "1"}), "Targets other than 0 and 1")
    target_counts = raw.groupby("patientId", sort=False)["Target"].nunique()
    raise_if_any(path, target_counts.index[target_counts > 1], "images with both Targets, 0 and 1")
    positive = raw["Target"] == "1"
    raise_if_any(path, raw.loc[~positive & (raw[SIDES] != "").any(axis=1), "patientId"], "boxes where Target is 0")
    edges = read_xywh(path, raw.loc[positive, SIDES])
    targets = dict(zip(raw["patientId"], raw["Target"].astype(int), strict=True))
    return targets, raw.loc[positive, "patientId"].tolist(), edges


def _nih(path: Path) -> dict[str, str]:
    """Return image -> NIH's file name; empty without the mapping."""
    if not path.is_file():
        return {}
    with reading_json(path, "a list of entries with subset_img_id and img_id is expected") as entries:
        return {str(entry["subset_img_id"]): str(entry["img_id"]) for entry in entries}


def _classes(path: Path) -> dict[str, str]:
    """Return image -> the challenge's detailed class; empty without the table."""
    if not path.is_file():
        return {}
    table = read_csv(path, ("patientId", "class"))
    return dict(zip(table["patientId"], table["class"], strict=True))
