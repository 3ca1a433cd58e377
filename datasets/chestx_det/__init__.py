"""ChestX-Det and the older ChestX-Det10."""

import functools
from pathlib import Path

import numpy as np

from core.errors import DataError
from core.files import file_hash
from datasets.base import Request
from datasets.chestx_det.files import FILES, FINDINGS, FRAME, TEN, Entry, masks, read_entries
from datasets.file_dataset import FileDataset, ImageRow, boxes_by_image, split_names, task, with_file
from datasets.io.images import find
from datasets.io.tables import first_of

LAYOUT = (
    "expected train_data/*.png and test_data/*.png, ChestX_Det_train.json and ChestX_Det_test.json (or train.json and "
    "test.json of ChestX-Det10): tables from https://github.com/Deepwise-AILab/ChestX-Det-Dataset, images from "
    "http://resource.deepwise.com/ChestX-Det/train_data.zip and test_data.zip"
)


class ChestXDet(FileDataset):
    """ChestX-Det: 3,578 of NIH's radiographs under new numbers, 13 findings outlined by three radiologists.

    ::

        root/  train_data/*.png  test_data/*.png   (or images/*.png, or one folder deeper, as unpacked)
               ChestX_Det_train.json (3,025)  ChestX_Det_test.json (553)   or  train.json  test.json

    Labels: 13 findings, or the 10 of ChestX-Det10. Boxes: as published, left, top, right, bottom as edges, in the frame
    of NIH's images, **1024x1024**; where a file has polygons alone, the boxes around them. Masks: the polygons of
    ChestX-Det filled, one mask a finding; ChestX-Det10 has none.

    Official split: the two files; validation is cut from train. Which patient, and which of NIH's images, a number
    stands for is not published: each image counts as a patient, and a model that was trained on NIH may have seen it.
    Option ``whole=True``: all images are test, for a model trained on others.

    No licence is stated; the images are NIH's, without restriction on use. Cite: Lian et al., A Structure-Aware
    Relation Network for Thoracic Diseases Detection and Segmentation, IEEE TMI 40 (2021) 2042; Liu et al.,
    ChestX-Det10, arXiv:2006.10550.
    """

    name = "chestx_det"
    origin = layout = LAYOUT

    def __init__(self, request: Request, whole: bool = False) -> None:
        root, self.split = request.folder(LAYOUT), request.split
        paths = {split: _listed(root, names) for split, names in FILES.items()}
        tasks = {13: FINDINGS, 10: TEN} if paths["test"].name == FILES["test"][0] else {10: TEN}
        self.findings = task(request, tasks, self.name, max(tasks))
        entries, sides = read_entries(paths)
        files = find(root, "images", "train_data", "test_data", "train_data/*", "test_data/*")
        images = with_file(root, entries, files, LAYOUT)
        test = np.array([sides[image] == "test" for image in images])
        names = split_names(images, request, test, whole)
        chosen = [image for image, name in zip(images, names, strict=True) if name == self.split]
        self.rows, clipped = self._built(paths["test"].parent, {image: entries[image] for image in chosen}, files)
        self.describe = {
            "partition": "whole" if whole else request.partition,
            "patients": "unknown: each image counts as one",
            "images": len(self.rows),
            "images_without_file": len(entries) - len(images),
            "boxes_clipped": clipped,
            "tables": {path.name: file_hash(path) for path in paths.values()},
        }

    def _built(self, table: Path, entries: dict[str, Entry], files: dict[str, Path]) -> tuple[list[ImageRow], int]:
        marked = [(image, *mark) for image, entry in entries.items() for mark in entry.boxes]
        flat = [mark for mark in marked if mark[1] in self.findings]
        owners, findings, boxes = zip(*flat, strict=True) if flat else ((), (), ())
        truth, clipped = boxes_by_image(table, owners, findings, list(boxes), dict.fromkeys(entries, FRAME))
        rows = []
        for image, entry in entries.items():
            labels = np.array([finding in entry.findings for finding in self.findings], np.float32)
            outlines = {f: some for f, some in entry.polygons.items() if f in self.findings}
            drawing = functools.partial(masks, outlines) if outlines else None
            rows.append(ImageRow(image, image, files[image], FRAME, labels, truth.get(image, {}), read_masks=drawing))
        return rows, clipped


def _listed(root: Path, names: tuple[str, ...]) -> Path:
    path = first_of(root, names)
    if path is None:
        raise DataError(f"{root} has no {names[0]}: {LAYOUT}")
    return path
