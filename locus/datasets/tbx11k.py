"""TBX11K: boxes of tuberculosis, in COCO files."""

from collections.abc import Mapping
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from locus.core.errors import DataError
from locus.core.frames import xywh_to_xyxy
from locus.core.types import FloatArray
from locus.datasets import _files, splits
from locus.datasets.base import About, Request
from locus.datasets.io.annotations import read_coco
from locus.datasets.io.tables import read_json, refuse_unknown

FINDINGS = ("Active Tuberculosis", "Obsolete Pulmonary Tuberculosis")
WORDS = {
    "ActiveTuberculosis": FINDINGS[0],
    "ObsoletePulmonaryTuberculosis": FINDINGS[1],
    "PulmonaryTuberculosis": "Tuberculosis",
}
"""Category of the files -> finding. The last one is tuberculosis of unknown activity."""
ANY = WORDS["PulmonaryTuberculosis"]
TABLES = ("annotations/json/TBX11K_train.json", "annotations/json/TBX11K_val.json")
TB_FOLDER = "tb/"
"""Folder of the images of patients with tuberculosis."""
LAYOUT = (
    f"expected imgs/health/*.png, imgs/sick/*.png, imgs/tb/*.png, {TABLES[0]} and {TABLES[1]}, from "
    "https://mmcheng.net/tb"
)


class Tbx11k(_files.FileDataset):
    """TBX11K: 8,400 radiographs with public labels, 800 of them with tuberculosis, outlined by boxes.

    ::

        root/  imgs/health/*.png  imgs/sick/*.png  imgs/tb/*.png
               annotations/json/TBX11K_train.json (6,600)  TBX11K_val.json (1,800)

    Labels: 2 findings, active and obsolete (latent) tuberculosis; 1 (``--num_classes 1``): any tuberculosis. Healthy
    and otherwise sick people have label 0. An image of the folder ``tb`` without a box has unknown labels. Boxes:
    COCO's x, y, width, height in the frame of the files, **512x512**.

    Official split: the published test images have no public labels, so **the validation file is the test split**, and
    validation images are cut from the training file. Patients are not published: each image counts as one.

    The files ``all_train.json`` and ``all_val.json`` add images of other sets, among them Montgomery County and
    Shenzhen, and are not read. A network that was trained with them has seen those two sets, and cannot be tested on
    them.

    Licence: for research, not commercial. Cite: Liu et al., Rethinking Computer-aided Tuberculosis Diagnosis, CVPR
    2020.
    """

    name = "tbx11k"
    origin = layout = LAYOUT
    about = About(
        title="TBX11K",
        size="8,400 images with public labels, 512x512 pixels, PNG",
        access="free download",
        licence="for research, not commercial; stated as CC BY-NC-SA 2.0 by users, so check the authors' page",
        citation="Liu et al., Rethinking Computer-aided Tuberculosis Diagnosis, CVPR 2020",
        boxes="an area of tuberculosis, drawn by radiologists",
    )

    def __init__(self, request: Request) -> None:
        root = request.folder(LAYOUT)
        self.split = request.split
        self.findings = request.task({2: FINDINGS, 1: (ANY,)}, self.name, 2)
        paths = [root / name for name in TABLES]
        contents = [read_json(path) for path in paths]
        listed = [_images(path, content) for path, content in zip(paths, contents, strict=True)]
        twice = sorted(listed[0].keys() & listed[1].keys())
        if twice:
            raise DataError(
                f"{paths[1]} has {len(twice)} images of {paths[0].name}, first {twice[0]}: keep one of each"
            )
        frames = listed[0] | listed[1]
        files = {
            name: str(root / "imgs" / name) for name in frames if (root / "imgs" / name).is_file()
        }
        names = _files.with_file(root, frames, files, LAYOUT)
        training = np.array([name in listed[0] for name in names])
        official = partial(splits.hold_out_val, names, training, request.seed)
        chosen = [*compress(names, _files.in_split(names, request, official))]
        chosen_frames = {name: frames[name] for name in chosen}
        truth: _files.BoxesByImage = {}
        uncertain: set[str] = set()
        clipped = 0
        for path, content in zip(paths, contents, strict=True):
            marks = _marks(path, content, self.findings)
            of_task = [mark for mark in marks if mark[1] in self.findings]
            uncertain |= {image for image, finding, _ in marks if finding not in self.findings}
            boxes_of_file, clipped_in_file = _files.boxes_by_image(path, of_task, chosen_frames)
            truth |= boxes_of_file
            clipped += clipped_in_file
        self.rows = []
        for name in chosen:
            boxes = truth.get(name, {})
            labels = self._labels(name, boxes, name in uncertain)
            self.rows.append(
                _files.file_sample(name, name, files[name], frames[name], labels, boxes)
            )
        about = {"lists": "validation is test", "patients": "unknown: each image counts as one"}
        self.describe = _files.described(
            request.partition, self.rows, len(frames) - len(names), clipped, paths, **about
        )

    def _labels(
        self, name: str, boxes: Mapping[str, FloatArray], uncertain: bool
    ) -> NDArray[np.float32]:
        """Return 1 for each finding with a box; unknown labels if the image shows tuberculosis of an unknown kind."""
        labels = np.array([finding in boxes for finding in self.findings], np.float32)
        if uncertain or (name.startswith(TB_FOLDER) and not boxes):
            labels[labels == 0] = np.nan
        return labels


def _images(path: Path, content: Any) -> dict[str, tuple[int, int]]:
    """Return image -> frame (H, W) of a COCO file. Raises ``DataError`` for an entry without a name or a size."""
    try:
        entries = content["images"]
        frames = {
            str(entry["file_name"]): (int(entry["height"]), int(entry["width"]))
            for entry in entries
        }
    except (TypeError, KeyError, ValueError) as error:
        wrong = f"{path} is not a COCO file ({type(error).__name__}: {error})"
        raise DataError(f"{wrong}: each image must have file_name, height and width") from error
    if not frames:
        raise DataError(f"{path} lists no images: {LAYOUT}")
    return frames


def _marks(
    path: Path, content: Any, findings: tuple[str, ...]
) -> list[tuple[str, str, FloatArray]]:
    """Return image, finding and box (4,) of each annotation; with one finding, all boxes are of it."""
    table = read_coco(path, content=content)
    refuse_unknown(path, table["finding"], tuple(WORDS))
    findings_of_boxes = (
        [ANY] * len(table)
        if findings == (ANY,)
        else [WORDS[category] for category in table["finding"]]
    )
    boxes = xywh_to_xyxy(table[["x", "y", "w", "h"]].to_numpy(np.float64))
    return [*zip(table["image"], findings_of_boxes, boxes, strict=True)]
