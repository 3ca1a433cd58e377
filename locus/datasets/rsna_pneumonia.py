"""RSNA Pneumonia Detection Challenge 2018."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Literal

import numpy as np

from locus.datasets import _files, splits
from locus.datasets.base import About, Request
from locus.datasets.io.dicom import read_headers
from locus.datasets.io.download import Kaggle
from locus.datasets.io.tables import raise_if_any, read_csv, read_pairs, read_xywh, xrv_table
from locus.datasets.nih import NIH_NAME, patient_of
from locus.datasets.splits import of_lovt

FRAME = (1024, 1024)
"""(H, W) of every image."""
LABELS, CLASSES = "stage_2_train_labels.csv", "stage_2_detailed_class_info.csv"
MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"
HELD_OUT_IMAGES = 10_674
"""Validation and test images of MGCA's split, together."""
OPACITY = "Lung Opacity"
"""Detailed class of exactly the images whose Target is 1."""
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
    about = About(
        title="RSNA Pneumonia Detection Challenge",
        size="26,684 of NIH's images, 1024x1024 pixels, DICOM",
        access="Kaggle, after accepting the challenge's rules",
        licence="any use with attribution (RSNA); the challenge's rules (Kaggle); NIH's terms for the images",
        citation="Shih et al., Radiology: AI 1 (2019) e180041",
        boxes="an opacity suspicious of pneumonia, drawn by radiologists",
    )
    origin = Kaggle("competitions", "rsna-pneumonia-detection-challenge")
    layout = (
        f"expected stage_2_train_images/*.dcm and {LABELS}, from {origin}; "
        f"recommended: {MAPPING} from www.rsna.org"
    )

    def __init__(
        self,
        request: Request,
        whole: bool = False,
        images: bool = True,
        lists: Literal["lovt", "mgca"] = "lovt",
    ) -> None:
        self.findings = request.task({1: ("Pneumonia",)}, self.name, 1)
        self.split = request.split
        root = request.folder(self.layout) if images else None
        path = xrv_table(f"kaggle_{LABELS}.zip") if root is None else root / LABELS
        target, boxed, edges = _labels(path)
        files = {} if root is None else _files.by_stem(root, "stage_2_train_images")
        names = [*target] if root is None else _files.with_file(root, target, files, self.layout)
        nih = {} if root is None else _nih_names(root / MAPPING, names)
        classes = {} if root is None else _classes(root / CLASSES, target)
        patients = [patient_of(nih.get(image, image)) for image in names]
        published = (
            partial(of_lovt, self.name, names, path) if lists == "lovt" else partial(of_mgca, names)
        )
        split = _files.in_split(patients, request, None if images else published, whole)
        chosen = dict(compress(zip(names, patients, strict=True), split))
        marks = ((image, "Pneumonia", box) for image, box in zip(boxed, edges, strict=True))
        truth, clipped = _files.boxes_by_image(
            path, marks, dict.fromkeys(names if images else chosen, FRAME)
        )
        heads = (
            {}
            if root is None
            else read_headers(root, {i: files[i] for i in chosen}, request.cache)[0]
        )
        rows = []
        for image, patient in chosen.items():
            about = {"class": classes.get(image), "nih": nih.get(image)}
            meta = (heads[image].meta if image in heads else {}) | {
                name: value for name, value in about.items() if value
            }
            file = files.get(image, "")
            labels = np.array([target[image]], np.float32)
            rows.append(
                _files.file_sample(image, patient, file, FRAME, labels, truth.get(image, {}), meta)
            )
        self.rows = rows if images else _files.without_pixels(rows)
        if not images:
            self.training_part = partial(
                _files.training_rows, type(self), request, images=False, lists=lists
            )
        tables = (
            [path]
            if root is None
            else [root / name for name in (LABELS, MAPPING) if (root / name).is_file()]
        )
        about = {
            "lists": "none published: drawn by patient" if images else lists,
            "patients": "NIH's" if nih else "unknown: each image counts as one",
        }
        partition = "whole" if whole else request.partition
        without_file = len(target) - len(names)
        self.describe = _files.described(partition, rows, without_file, clipped, tables, **about)


def of_mgca(images: Sequence[str]) -> splits.SplitNames:
    """Return (N,) the split names of MGCA's code (Wang et al., NeurIPS 2022): 16,010, 5,337 and 5,337 images."""
    names = np.full(len(images), "train")
    held_out = np.random.RandomState(0).permutation(len(images))[:HELD_OUT_IMAGES]
    drawn = np.random.RandomState(0).permutation(HELD_OUT_IMAGES)
    names[held_out] = np.where(np.argsort(drawn) < HELD_OUT_IMAGES // 2, "val", "test")
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
    raise_if_any(
        path,
        raw.loc[~positive & (raw[SIDES] != "").any(axis=1), "patientId"],
        "boxes where Target is 0",
    )
    edges = read_xywh(path, raw.loc[positive, SIDES], FRAME)
    targets = dict(zip(raw["patientId"], raw["Target"].astype(int), strict=True))
    return targets, raw.loc[positive, "patientId"].tolist(), edges


def _nih_names(path: Path, images: Sequence[str]) -> dict[str, str]:
    """Return image -> NIH's file name; empty without the mapping. Raises ``DataError`` if it lacks an image."""
    names = read_pairs(path, "subset_img_id", "img_id")
    invalid_names = [name for name in names.values() if NIH_NAME.fullmatch(name) is None]
    raise_if_any(path, invalid_names, "img_id that are no file names of NIH", "; download it again")
    lacking = [image for image in images if names and image not in names]
    raise_if_any(path, lacking, f"no entries of images in {LABELS}", "; download it again")
    return names


def _classes(path: Path, targets: Mapping[str, int]) -> dict[str, str]:
    """Return image -> the challenge's detailed class; empty without the table.

    Raises ``DataError`` for unknown images, and for a class that contradicts the targets.
    """
    if not path.is_file():
        return {}
    table = read_csv(path, ("patientId", "class"))
    image = table["patientId"]
    class_name = table["class"]
    raise_if_any(path, image[~image.isin(list(targets))].unique(), f"images that {LABELS} lacks")
    contradicts = (class_name == OPACITY) != (image.map(targets) == 1)
    raise_if_any(
        path, image[contradicts].unique(), f"classes that contradict Target in {LABELS}, of images"
    )
    return dict(zip(image, class_name, strict=True))
