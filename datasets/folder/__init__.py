"""A user's own images: a table of labels and perhaps one of boxes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import BadValueError, DataError
from core.files import file_hash
from datasets import splits
from datasets.base import Request
from datasets.file_dataset import FileDataset, ImageRow, Truth, with_file
from datasets.folder.boxes import read_boxes
from datasets.folder.tables import read_labels
from datasets.io.paths import inside

LAYOUT = (
    "expected labels.csv (image, one column of 0, 1 or nothing per finding, perhaps patient and split), the PNG, JPEG "
    "or DICOM files that it names, and perhaps boxes.csv (image,finding,x0,y0,x1,y1)"
)


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
        truth, clipped = read_boxes(paths[1], table, self.findings, set(present)) if len(paths) > 1 else ({}, 0)
        self.rows = list(_rows(table.loc[present], self.findings, truth))
        self.describe = {
            "partition": request.partition,
            "tables": {path.name: file_hash(path) for path in paths},
            "images": len(present),
            "images_without_file": int((names == self.split).sum()) - len(present),
            "boxes_clipped": clipped,
            "patients_named": bool((table["patient"] != table.index).any()),
            "boxed_images": len(truth),
        }


def _rows(table: pd.DataFrame, findings: tuple[str, ...], truth: Truth) -> Iterator[ImageRow]:
    """One row an image; its frame is (height, width) where the table has them, else the file's own."""
    about = table[[column for column in ("age", "sex", "view") if column in table]].to_dict("records")
    labels = table[list(findings)].to_numpy(np.float32)
    columns = (table[word].tolist() for word in ("patient", "_path", "_frame"))
    for image, patient, path, frame, marks, meta in zip(table.index, *columns, labels, about, strict=True):
        yield ImageRow(image, patient, path, frame, marks, truth.get(image, {}), meta)


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
