"""Data set of a user's images: a table of labels and an optional table of boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.boxes import area, as_boxes
from core.errors import BadValueError, DataError
from core.lazy import pd
from datasets import splits
from datasets.base import Request
from datasets.file_dataset import BoxesByImage, FileDataset, boxes_by_image, described, with_file
from datasets.folder.tables import image_name, read_labels
from datasets.io import images
from datasets.io.paths import inside
from datasets.io.tables import numbers, raise_if_any, read_csv, refuse_duplicates, refuse_unknown
from datasets.table_rows import TableRows

LAYOUT = (
    "expected labels.csv (columns: image; one per finding, each cell 0, 1 or empty; optionally patient and split), the "
    "PNG, JPEG or DICOM files named in its column image, and optionally boxes.csv (image,finding,x0,y0,x1,y1)"
)

EDGES = ("x0", "y0", "x1", "y1")
EDGES_HINT = "give the edges of each box: x0, y0, x1 = x0 + width, y1 = y0 + height"


class Folder(FileDataset):
    """Your own images: a CSV file with one column per finding, and an optional CSV file of boxes.

    ::

        root/  labels.csv   image,patient,split,Mass,Nodule        a.png,p1,train,1,
               boxes.csv    image,finding,x0,y0,x1,y1              a.png,Mass,10,20,110.5,220      (optional)
               a.png, images/b.png, any/folder/c.dcm               PNG or JPEG (8 or 16 bits) or DICOM

    ``image``: path of the file, relative to the root or its subfolder ``images``. Optional columns: ``patient`` (if
    missing, each image counts as a patient, with a warning), ``split`` (train, val or test: it defines the
    official partition; if no row has val, some train patients are moved to val), ``width`` and ``height`` of the
    published image if the file is a smaller copy, ``age``, ``sex``, ``view``. Every other column is a finding: 1, 0,
    or empty for unknown.

    Boxes are given by their edges; x runs right and y runs down from the upper left corner. Their frame is the
    published image (``width`` and ``height``, or else the size of the image in the file). A box that extends beyond the
    image is clipped and counted; a box outside the image is an error. Absolute paths, ``..`` and links that lead out of
    the root are errors.

    Options: ``labels`` and ``boxes``, names of the two tables; ``ignore``, columns that are not findings
    (joined by +: ``note+hospital``). The licence and citation are those of your data.
    """

    name = "folder"
    layout = LAYOUT

    def __init__(
        self, request: Request, labels: str | int = "labels.csv", boxes: str | int = "boxes.csv", ignore: str | int = ""
    ) -> None:
        root, self.split = request.folder(LAYOUT), request.split
        paths = _tables(root, str(labels), str(boxes))
        table, self.findings = read_labels(paths[0], root, tuple(str(ignore).split("+")) if ignore else ())
        if request.findings not in (None, len(self.findings)):
            count = len(self.findings)
            advice = f"leave --num_classes out, or use --num_classes {count}"
            raise BadValueError(f"{paths[0]} has {count} findings, not {request.findings}: {advice}")
        split_names = _split_names(paths[0], table, request)
        splits.check_patients(table["patient"], split_names)
        files = {str(image): path for image, path in table["_path"].items() if path.is_file()}
        present = with_file(root, table.index[split_names == self.split], files, LAYOUT, self.split)
        truth, clipped = _boxes(paths[1], table, self.findings, set(present)) if len(paths) > 1 else ({}, 0)
        table = table.loc[present]
        label_values, frames = table[list(self.findings)].to_numpy(np.float32), table["_frame"]
        self.rows = TableRows(table, label_values, files, lambda i: {"frame": frames[i], "boxes": truth.get(i, {})})
        without_file = int((split_names == self.split).sum()) - len(present)
        about = {"patients_named": bool((table["patient"] != table.index).any()), "boxed_images": len(truth)}
        self.describe = described(request.partition, present, without_file, clipped, paths, **about)


def _tables(root: Path, labels: str, boxes: str) -> list[Path]:
    """Return the paths of the label table and, if present, the box table. A table requested by name must exist."""
    paths = [inside(root, name, root) for name in (labels, boxes)]
    for path, required in zip(paths, (True, boxes != "boxes.csv"), strict=True):
        if required and not path.is_file():
            raise DataError(f"the table {path} is missing: {LAYOUT}")
    return [path for path in paths if path.is_file()]


def _split_names(path: Path, table: pd.DataFrame, request: Request) -> NDArray[np.str_]:
    """Return (N,) split names: the column ``split`` for the official partition, else a random split by patient."""
    patients = table["patient"].tolist()
    if request.partition != "official":
        return splits.assign(patients, request)
    if "split" not in table:
        raise DataError(f"{path} has no column 'split' (train, val, test): add it, or use --partition patient or kfold")
    names = table["split"].to_numpy(str)
    return names if "val" in names else splits.hold_out_val(patients, names == "train", request.seed)


def _boxes(path: Path, table: pd.DataFrame, findings: tuple[str, ...], wanted: set[str]) -> tuple[BoxesByImage, int]:
    """Read the boxes of the ``wanted`` images and count the clipped ones. Unreadable images get no boxes.

    Raises ``DataError`` for images and findings that the label ``table`` lacks, duplicate rows, and boxes that are
    empty or outside the image.
    """
    raw = read_csv(path, ("image", "finding", *EDGES), hint=EDGES_HINT)
    image = raw["image"].map(lambda cell: image_name(cell, path))
    unlisted = image[~image.isin(table.index)].str[:80].unique()
    raise_if_any(path, unlisted, "images that the label table does not list", "; add them there, or remove their boxes")
    refuse_unknown(path, raw["finding"], findings)
    refuse_duplicates(path, image.str.cat(raw[["finding", *EDGES]], sep=" "))
    edges = as_boxes(np.stack([numbers(path, raw[edge]) for edge in EDGES], axis=1))
    empty = np.flatnonzero(area(edges) == 0).tolist()
    named = (f"{image[i]} {raw['finding'][i]} {edges[i].tolist()}" for i in empty)
    raise_if_any(path, named, "boxes with zero area", "; x0 < x1 and y0 < y1 are required")
    frames = _frames(table.loc[[i for i in image.unique() if i in wanted]])
    return boxes_by_image(path, zip(image, raw["finding"], edges, strict=True), frames)


def _frames(table: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Return image -> (H, W) as published, from the table or the file; unreadable files are skipped."""
    frames = {}
    for image, path, frame in zip(table.index, table["_path"], table["_frame"], strict=True):
        try:
            frames[str(image)] = frame or images.frame(path)
        except DataError:  # the error is reported later, when the file is decoded
            continue
    return frames
