"""ChestX-Det and the older ChestX-Det10."""

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from locus.core.errors import DataError, require_extra
from locus.core.types import FloatArray, Sample
from locus.datasets import splits
from locus.datasets._files import (
    FileDataset,
    boxes_by_image,
    described,
    file_sample,
    in_split,
    with_file,
)
from locus.datasets.base import About, Request
from locus.datasets.io.images import find
from locus.datasets.io.tables import first_of, raise_if_any, reading_json, refuse_unknown

FRAME = (1024, 1024)
"""(H, W) of every image as published, the same as NIH's."""
FINDINGS = (
    "Atelectasis", "Calcification", "Cardiomegaly", "Consolidation", "Diffuse Nodule", "Effusion", "Emphysema",
    "Fibrosis", "Fracture", "Mass", "Nodule", "Pleural Thickening", "Pneumothorax",
)  # fmt: skip
TEN = tuple(
    finding
    for finding in FINDINGS
    if finding not in ("Cardiomegaly", "Diffuse Nodule", "Pleural Thickening")
)
FILES = (("ChestX_Det_train.json", "train.json"), ("ChestX_Det_test.json", "test.json"))
Marks = list[tuple[str, FloatArray, FloatArray | None]]
"""Finding, (4,) box and (n, 2) outline (or None) of each mark on an image, in the frame."""
LAYOUT = (
    "expected train_data/*.png and test_data/*.png, ChestX_Det_train.json and ChestX_Det_test.json (or train.json and "
    "test.json of ChestX-Det10); the tables are at https://github.com/Deepwise-AILab/ChestX-Det-Dataset, the images at "
    "http://resource.deepwise.com/ChestX-Det/train_data.zip and test_data.zip"
)


class ChestXDet(FileDataset):
    """ChestX-Det: 3,578 of NIH's radiographs under new numbers, 13 findings outlined by three radiologists.

    ::

        root/  train_data/*.png  test_data/*.png   (or images/*.png, or one folder deeper, as unpacked)
               ChestX_Det_train.json (3,025)  ChestX_Det_test.json (553)   or  train.json  test.json

    Labels: 13 findings, or the 10 of ChestX-Det10. Boxes: the published edges (left, top, right, bottom), in the frame
    of NIH's images, **1024x1024**. If a file has only polygons, their bounding boxes are used. Masks: the filled
    polygons of ChestX-Det, one mask per finding; ChestX-Det10 has none.

    Official split: the two files; validation is cut from train. The images have new numbers instead of NIH's names, so
    each image counts as a patient. Option ``whole=True``: all images are test, for a model trained on other data.

    **Do not use this data set to score a model that was trained on NIH.** The first release of ChestX-Det10 used NIH's
    names: 2,860 of its 3,543 images (81%) are in NIH's train_val list. With ``whole=True`` most test images were
    seen in training. Use ``NIH:truth=chestx_det``, which has the same truth under NIH's names and NIH's official split.

    Licence of the annotations: Apache-2.0. The images are NIH's, without restriction on use. Cite: Lian et al., A
    Structure-Aware Relation Network for Thoracic Diseases Detection and Segmentation, IEEE TMI 40 (2021) 2042; Liu et
    al., ChestX-Det10, arXiv:2006.10550.
    """

    name = "chestx_det"
    about = About(
        title="ChestX-Det",
        size="3,578 of NIH's images under new numbers, 1024x1024 pixels, PNG",
        access="free download",
        licence="Apache-2.0 for the annotations; NIH's terms for the images",
        citation="Lian et al., IEEE TMI 40 (2021) 2042; Liu et al., arXiv:2006.10550",
        boxes="one of 13 findings, outlined by three radiologists",
    )
    origin = layout = LAYOUT

    def __init__(self, request: Request, whole: bool = False) -> None:
        root = request.folder(LAYOUT)
        self.split = request.split
        paths = [_listed(root, names) for names in FILES]
        tasks = {13: FINDINGS, 10: TEN} if paths[1].name == FILES[1][0] else {10: TEN}
        self.findings = request.task(tasks, self.name, max(tasks))
        train = read_marks(paths[0])
        entries = train | read_marks(paths[1], train)
        files = find(root, "images", "train_data", "test_data", "train_data/*", "test_data/*")
        images = with_file(root, entries, files, LAYOUT)
        training = np.array([image in train for image in images])
        official = functools.partial(splits.hold_out_val, images, training, request.seed)
        chosen = {
            i: entries[i]
            for i in itertools.compress(images, in_split(images, request, official, whole))
        }
        self.rows, clipped = marked_samples(root, chosen, files, self.findings)
        partition = "whole" if whole else request.partition
        without_file = len(entries) - len(images)
        patients = "unknown: each image counts as one"
        self.describe = described(
            partition, self.rows, without_file, clipped, paths, patients=patients
        )


def marked_samples(
    path: Path,
    marks: Mapping[str, Marks],
    files: Mapping[str, str],
    findings: Sequence[str],
    patient_of: Callable[[str], str] = str,
    meta: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> tuple[list[Sample], int]:
    """Return the samples of images with marks. A box that the source lists twice counts once.

    Args:
        path: source of the marks, for errors.
        marks: image -> its findings with boxes and outlines.
        files: image -> path of its file.
        findings: findings in the order of the labels.
        patient_of: function from image to patient.
        meta: image -> its attributes, if any.

    Returns:
        The samples with masks of the outlines, and the number of clipped boxes.
    """
    listed = []
    for i, image_marks in marks.items():
        for finding, box, _ in image_marks:
            if finding in findings:
                listed.append((i, finding, tuple(box.tolist())))
    truth, clipped = boxes_by_image(path, dict.fromkeys(listed), dict.fromkeys(marks, FRAME))
    samples = []
    for i, image_marks in marks.items():
        present = {finding for finding, *_ in image_marks}
        labels = np.array([finding in present for finding in findings], np.float32)
        drawn = ((finding, points) for finding, _, points in image_marks if finding in findings)
        outlines = [(finding, points) for finding, points in drawn if points is not None]
        masks = functools.partial(_masks, outlines) if outlines else None
        about = (FRAME, labels, truth.get(i, {}), meta.get(i, {}))
        samples.append(file_sample(i, patient_of(i), files[i], *about, read_masks=masks))
    return samples, clipped


def _listed(root: Path, names: tuple[str, ...]) -> Path:
    path = first_of(root, names)
    if path is None:
        raise DataError(f"{root} has no {names[0]}: {LAYOUT}")
    return path


def read_marks(
    path: Path, others: Collection[str] = (), names: str = "file_name"
) -> dict[str, Marks]:
    """Return image -> marks from one file.

    ``names`` is the field with the image name; none of the ``others`` may be in the file. Raises ``DataError``.
    """
    expected = f"each entry must have {names}, syms, and boxes or polygons"
    with reading_json(path, expected) as raw:
        if not isinstance(raw, list):
            raise TypeError("not a list")
        entries = [(str(entry[names]), _marks(path, entry, str(entry[names]))) for entry in raw]
    if not entries:
        raise DataError(f"{path} lists no images: {expected}")
    counts = Counter(name for name, _ in entries)
    twice = sorted(name for name, count in counts.items() if count > 1 or name in others)
    raise_if_any(path, twice, "images listed twice", "; keep one of each")
    return dict(entries)


def _marks(path: Path, raw: Mapping[str, Any], image: str) -> Marks:
    """Return the marks of one ``image``. Raises ``DataError`` for lists of different lengths and invalid outlines."""
    findings = [str(name) for name in raw["syms"]]
    refuse_unknown(path, findings, FINDINGS)
    outlines = [np.array(points, np.float64).reshape(-1, 2) for points in raw.get("polygons") or []]
    if any(len(points) < 3 or not np.isfinite(points).all() for points in outlines):
        raise DataError(
            f"{path}: {image} has a polygon with fewer than 3 points or invalid numbers"
        )
    if any(
        (points.max(0) <= 0).any() or (points.min(0) >= FRAME[::-1]).any() for points in outlines
    ):
        raise DataError(
            f"{path}: {image} has a polygon outside its image of {FRAME[1]}x{FRAME[0]} pixels"
        )
    boxes = (
        raw["boxes"]
        if "boxes" in raw or "polygons" not in raw
        else [[*p.min(0), *p.max(0)] for p in outlines]
    )
    if len(boxes) != len(findings) or (outlines and len(outlines) != len(findings)):
        counts = f"{len(findings)} syms, {len(boxes)} boxes" + (
            f", {len(outlines)} polygons" if outlines else ""
        )
        raise DataError(f"{path}: {image} has {counts}; these numbers must be equal")
    edges = [np.array(box, np.float64).reshape(4) for box in boxes]
    return list(zip(findings, edges, outlines or itertools.repeat(None, len(edges)), strict=True))


def _masks(outlines: list[tuple[str, FloatArray]]) -> dict[str, NDArray[np.bool_]]:
    """Return finding -> (1024, 1024) mask: the pixels whose centre is in one of its polygons.

    Polygons are (n,2) points x, y in the frame, pixel i covering [i, i+1).
    """
    require_extra("formats", "skimage", "drawing the masks of ChestX-Det")
    from skimage.draw import polygon  # slow to import, and only needed for masks

    drawings: dict[str, NDArray[np.bool_]] = {}
    for finding, points in outlines:
        inside = polygon(points[:, 1] - 0.5, points[:, 0] - 0.5, FRAME)  # type: ignore[no-untyped-call]
        drawings.setdefault(finding, np.zeros(FRAME, bool))[inside] = True
    return drawings
