"""The boxes of a user's own folder: read from their table, cut at the edges of the images."""

from pathlib import Path

import numpy as np
import pandas as pd

from core.boxes import area, as_boxes
from core.errors import DataError, examples
from datasets.file_dataset import Truth, boxes_by_image
from datasets.folder.tables import image_name
from datasets.io.images import frame
from datasets.io.tables import numbers, read_csv, refuse_duplicates, refuse_unknown

EDGES = ("x0", "y0", "x1", "y1")
CORNERS = "write the edges of each box: x0, y0, x1 = x + width, y1 = y + height"


def read_boxes(path: Path, table: pd.DataFrame, findings: tuple[str, ...], wanted: set[str]) -> tuple[Truth, int]:
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
    empty = np.flatnonzero(area(edges) == 0)
    if empty.size:
        listing = examples(f"{image[i]} {raw['finding'][i]} {edges[i].tolist()}" for i in empty.tolist())
        raise DataError(f"{path} has {empty.size} boxes without area: {listing}; x0 < x1 and y0 < y1 are needed")
    frames = _frames(table.loc[[i for i in image.unique() if i in wanted]])
    return boxes_by_image(path, image.tolist(), raw["finding"].tolist(), edges, frames)


def _frames(table: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Image -> (H, W) as published, of those whose size the table or the file tells."""
    frames = {}
    for image, path, known in zip(table.index, table["_path"], table["_frame"], strict=True):
        try:
            frames[str(image)] = known or frame(path)
        except DataError:  # whoever decodes it hears why
            continue
    return frames
