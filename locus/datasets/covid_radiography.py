"""The COVID-19 Radiography Database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from locus.core.errors import DataError, examples
from locus.core.files import json_hash
from locus.core.types import generator
from locus.datasets import splits
from locus.datasets._files import FileDataset, TableRows
from locus.datasets.base import SPLITS, About, Request
from locus.datasets.io import pd
from locus.datasets.io.download import Kaggle
from locus.datasets.io.images import find
from locus.datasets.io.tables import raise_if_any

CLASSES = {
    "COVID-19": ("covid", "covid19"),
    "Lung Opacity": ("lungopacity",),
    "Normal": ("normal",),
    "Viral Pneumonia": ("viralpneumonia", "pneumonia"),
}
"""Class -> names of its folder, in lower case and without spaces, _ and -."""
FRAME = (299, 299)
"""(H, W) of every image as published."""
UNPACKED = ("COVID-19_Radiography_Dataset", "COVID-19 Radiography Database")
"""Top-level folders of the archives."""
ORIGIN = Kaggle("datasets", "tawsifurrahman/covid19-radiography-database")
LAYOUT = (
    "expected COVID/images/*.png (or COVID/*.png), the same for Lung_Opacity, Normal and "
    f"Viral Pneumonia, from {ORIGIN}"
)
Count = Annotated[int, Field(ge=1)]
"""Number of images per class."""


class CovidRadiography(FileDataset):
    """COVID-19 Radiography Database: 21,165 frontal radiographs of four classes.

    COVID-19 3,616, Lung Opacity 6,012, Normal 10,192 and Viral Pneumonia 1,345, from several collections.

    ::

        root/  COVID/images/*.png                        (or COVID/*.png, as first released; or all in the folder
               Lung_Opacity/  Normal/  Viral Pneumonia/   of the unpacked archive)

    Labels: one class per image, 1 in its column and 0 in the others: train with ``--multi_label False``. No boxes;
    lung masks are not read. The frame is 299x299.

    Official split (none is published; this is the split of earlier work): 60 random images of each class for test, 60
    for validation (options ``test``, ``val``), the rest for training. If the root has folders ``train``, ``val`` and
    ``test`` with these classes, they define the split. **Patients are unknown**: each image counts as a patient, so
    images of one patient may be in two splits, and classes come from different hospitals. Scores are optimistic.

    Download with ``--download True`` or from
    https://www.kaggle.com/datasets/tawsifurrahman/covid19-radiography-database. The licences of its sources apply.
    Cite: Chowdhury et al., IEEE Access 8 (2020), 132665-132676; Rahman et al., Computers in Biology and Medicine 132
    (2021), 104319.
    """

    name = "covid_radiography"
    about = About(
        title="COVID-19 Radiography Database",
        size="21,165 images of 4 classes, 299x299 pixels, PNG",
        access="free download from Kaggle",
        licence="those of its sources",
        citation=(
            "Chowdhury et al., IEEE Access 8 (2020), 132665-132676; Rahman et al., Computers in Biology and "
            "Medicine 132 (2021), 104319"
        ),
        boxes="none",
    )
    origin, layout = ORIGIN, LAYOUT

    def __init__(self, request: Request, val: Count = 60, test: Count = 60) -> None:
        self.findings = request.task({4: tuple(CLASSES)}, self.name, 4)
        self.split = request.split
        table = _images(request.folder(LAYOUT))
        names = _splits(table, request, val, test)
        chosen = table[names == self.split]
        labels = chosen["finding"].to_numpy()[:, None] == np.array(self.findings)
        self.rows = TableRows(chosen, labels, chosen["path"], _no_boxes)
        split_by = "folders" if _has_split_folders(table) else "seed"
        about = {
            "partition": request.partition,
            "split_by": split_by,
            "val": val,
            "test": test,
            "images": len(chosen),
        }
        counts = {name: int((names == name).sum()) for name in SPLITS}
        classes = {finding: int((chosen["finding"] == finding).sum()) for finding in CLASSES}
        files = json_hash(table.index.tolist())
        self.describe = {
            **about,
            "counts": counts,
            "classes": classes,
            "files": files,
            "patients": "unknown",
        }


def _no_boxes(image: str) -> dict[str, Any]:
    """Return the frame of every image, and no boxes."""
    return {"frame": FRAME, "boxes": {}}


def _images(root: Path) -> pd.DataFrame:
    """Return image -> patient (the image itself), finding, path and split, sorted.

    The split is that of the image's folder, empty if the folders do not define it. Raises ``DataError`` for a missing
    class.
    """
    base = next((root / name for name in UNPACKED if (root / name).is_dir()), root)
    has_split_folders = all((base / split).is_dir() for split in SPLITS)
    sides = [(split, base / split) for split in SPLITS] if has_split_folders else [("", base)]
    rows = [(*row, split) for split, folder in sides for row in _in_folder(root, folder)]
    order = list(CLASSES)
    rows.sort(key=lambda row: (order.index(row[1]), row[0]))
    table = pd.DataFrame(rows, columns=["patient", "finding", "path", "split"], dtype=object)
    table = table.set_index("patient", drop=False)
    lacking = [finding for finding in CLASSES if finding not in set(table["finding"])]
    if lacking:
        raise DataError(f"{base} has no images of {examples(lacking, 4)}: {LAYOUT}")
    twice = sorted(table.index[table.index.duplicated()])
    raise_if_any(
        base, twice, "duplicate file names", "; keep one of each"
    )  # one image in two splits or classes
    return table


def _in_folder(root: Path, folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield name, finding and path of the images in the class folders of ``folder``."""
    for subfolder in sorted(path for path in folder.iterdir() if path.is_dir()):
        plain = re.sub("[ _-]", "", subfolder.name.lower())
        finding = next(
            (finding for finding, class_names in CLASSES.items() if plain in class_names), None
        )
        if finding is not None:
            inner = subfolder.relative_to(root)
            images = find(root, (inner / "images").as_posix()) or find(root, inner.as_posix())
            yield from ((name, finding, path) for name, path in images.items())


def _has_split_folders(table: pd.DataFrame) -> bool:
    return bool((table["split"] != "").all())


def _splits(table: pd.DataFrame, request: Request, val: int, test: int) -> splits.SplitNames:
    """Return (N,) split names: official is ``val`` and ``test`` images per class, by seed, or given by the folders."""
    if request.partition != "official":
        return splits.assign(table.index.tolist(), request)
    if _has_split_folders(table):
        return table["split"].to_numpy(str)
    names = np.full(len(table), "train")
    for finding in CLASSES:
        positions = np.flatnonzero(table["finding"] == finding)
        if len(positions) <= val + test:
            raise DataError(
                f"{finding} has {len(positions)} images, too few for {val} in validation, {test} in test and some in "
                "training: use smaller splits, such as --dataset covid_radiography:val=5,test=5"
            )
        drawn = generator(request.seed, "covid_radiography", finding).permutation(positions)
        names[drawn[:test]] = "test"
        names[drawn[test : test + val]] = "val"
    return names
