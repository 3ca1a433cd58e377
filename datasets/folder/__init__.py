"""A user's own images: a table of labels and perhaps one of boxes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.boxes import area, as_boxes
from core.errors import BadValueError, DataError, examples
from core.files import file_hash
from core.lazy import Lazy
from datasets import splits
from datasets.base import Request
from datasets.file_dataset import BoxesByImage, FileDataset, boxes_by_image, with_file
from datasets.folder.tables import image_name, read_labels
from datasets.io import images
from datasets.io.paths import inside
from datasets.io.tables import numbers, raise_if_any, read_csv, refuse_duplicates, refuse_unknown
from datasets.table_rows import TableRows

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = Lazy("pandas")

LAYOUT = (
    "expected labels.csv (image, one column of 0, 1 or nothing per finding, perhaps patient and split), the PNG, JPEG "
    "or DICOM files that it names, and perhaps boxes.csv (image,finding,x0,y0,x1,y1)"
)

EDGES = ("x0", "y0", "x1", "y1")
CORNERS = "write the edges of each box: x0, y0, x1 = x + width, y1 = y + height"


class Folder(FileDataset):
    """Your own images: a CSV that names them, with one column per finding, and boxes if you have any.

    ::

        root/  labels.csv   image,patient,split,Mass,Nodule        a.png,p1,train,1,
               boxes.csv    image,finding,x0,y0,x1,y1              a.png,Mass,10,20,110.5,220      (may be absent)
               a.png, images/b.png, any/folder/c.dcm               PNG or JPEG of 8 or 16 bit, DICOM

    ``image``: the file's path from the root or from its folder ``images``. Every column that is not named here is a
    finding, in the table's order: 1, 0, or empty for unknown. May be absent: ``patient`` (else each image is a patient
    of its own, which is told), ``split`` (train, val, test: the official partition; without any val it is cut from
    train by patient), ``width`` and ``height`` of the image as published where the file is a smaller copy, ``age``,
    ``sex``, ``view``.

    Boxes are edges, x to the right and y down from the upper left corner, in pixels of the image as published: their
    frame is (height, width), or the file's own size. One that reaches past the edge is clipped and counted, one wholly
    outside is an error. Nothing outside the root is read: absolute paths, ``..`` and links that lead out of it are
    errors.

    Options: ``labels`` and ``boxes``, other names of the tables; ``ignore``, columns that are no findings
    (note+hospital). The data are yours: their licence, and whom to cite: you know.
    """

    name = "folder"
    layout = LAYOUT

    def __init__(
        self, request: Request, labels: str = "labels.csv", boxes: str = "boxes.csv", ignore: str = ""
    ) -> None:
        root, self.split = request.folder(LAYOUT), request.split
        paths = _tables(root, str(labels), str(boxes))
        table, self.findings = read_labels(paths[0], root, tuple(str(ignore).split("+")) if ignore else ())
        if request.findings not in (None, len(self.findings)):
            raise BadValueError(f"{paths[0]} has no task with {request.findings} findings; it has {len(self.findings)}")
        names = _names(paths[0], table, request)
        splits.check_patients(table["patient"], names)
        files = {str(image): path for image, path in table["_path"].items() if path.is_file()}
        present = with_file(root, table.index[names == self.split], files, LAYOUT, self.split)
        truth, clipped = _boxes(paths[1], table, self.findings, set(present)) if len(paths) > 1 else ({}, 0)
        table = table.loc[present]
        marks, frames = table[list(self.findings)].to_numpy(np.float32), table["_frame"]
        self.rows = TableRows(table, marks, files, lambda i: {"frame": frames[i], "boxes": truth.get(i, {})})
        self.describe = {
            "partition": request.partition,
            "tables": {path.name: file_hash(path) for path in paths},
            "images": len(present),
            "images_without_file": int((names == self.split).sum()) - len(present),
            "boxes_clipped": clipped,
            "patients_named": bool((table["patient"] != table.index).any()),
            "boxed_images": len(truth),
        }


def _tables(root: Path, labels: str, boxes: str) -> list[Path]:
    """The table of labels, and that of boxes where there is one; one that was asked for by name must be there."""
    paths = [inside(root, name, root) for name in (labels, boxes)]
    for path, usual in zip(paths, (True, boxes != "boxes.csv"), strict=True):
        if usual and not path.is_file():
            raise DataError(f"there is no table {path}: {LAYOUT}")
    return [path for path in paths if path.is_file()]


def _names(path: Path, table: pd.DataFrame, request: Request) -> NDArray[np.str_]:
    """(N,) split names: of the column where the partition is official, else by a random partition of the patients."""
    patients = table["patient"].tolist()
    if request.partition != "official":
        return splits.assign(patients, request)
    if "split" not in table:
        raise DataError(f"{path} has no column 'split' (train, val, test): add it, or use --partition patient or kfold")
    names = table["split"].to_numpy(str)
    return names if "val" in names else splits.hold_out_val(patients, names == "train", request.seed)


def _boxes(path: Path, table: pd.DataFrame, findings: tuple[str, ...], wanted: set[str]) -> tuple[BoxesByImage, int]:
    """The boxes ``image,finding,x0,y0,x1,y1`` of the ``wanted`` images in their pixels, and how many were clipped.

    A file that is no image has none. Raises ``DataError`` for images and findings that the ``table`` of labels lacks, a
    row that occurs twice, and boxes without area or wholly outside.
    """
    raw = read_csv(path, ("image", "finding", *EDGES), hint=CORNERS)
    image = raw["image"].map(lambda cell: image_name(cell, path))
    strange = image[~image.isin(table.index)]
    if len(strange):
        raise DataError(f"{path} has {len(strange)} images that the labels lack: {examples(strange.str[:80].unique())}")
    refuse_unknown(path, raw["finding"], findings)
    refuse_duplicates(path, image.str.cat(raw[["finding", *EDGES]], sep=" "))
    edges = as_boxes(np.stack([numbers(path, raw[edge]) for edge in EDGES], axis=1))
    empty = np.flatnonzero(area(edges) == 0).tolist()
    named = (f"{image[i]} {raw['finding'][i]} {edges[i].tolist()}" for i in empty)
    raise_if_any(path, named, "boxes without area", "; x0 < x1 and y0 < y1 are needed")
    frames = _frames(table.loc[[i for i in image.unique() if i in wanted]])
    return boxes_by_image(path, image.tolist(), raw["finding"].tolist(), edges, frames)


def _frames(table: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Image -> (H, W) as published, of those whose size the table or the file tells."""
    frames = {}
    for image, path, known in zip(table.index, table["_path"], table["_frame"], strict=True):
        try:
            frames[str(image)] = known or images.frame(path)
        except DataError:  # whoever decodes it hears why
            continue
    return frames
