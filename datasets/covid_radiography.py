"""The COVID-19 Radiography Database."""

import functools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.errors import BadValueError, DataError, examples
from core.files import key
from core.names import duplicates
from core.seeds import generator
from core.types import Sample
from datasets import splits
from datasets.base import SPLITS, Request
from datasets.file_dataset import FileDataset
from datasets.io.download import Kaggle
from datasets.io.images import decode, find
from datasets.io.tables import raise_if_any
from datasets.lungs import resize_mask
from datasets.table_rows import file_sample

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
    "expected COVID/images/*.png and COVID/masks/*.png (or COVID/*.png), the same for Lung_Opacity, Normal and "
    f"Viral Pneumonia, from {ORIGIN}"
)


class Picture(NamedTuple):
    """One image file with its class."""

    name: str
    finding: str
    path: Path
    mask: Path | None
    """Lung mask."""
    split: str
    """train, val or test from its folder; empty if the folders do not define the split."""


class CovidRadiography(FileDataset):
    """COVID-19 Radiography Database: 21,165 frontal radiographs of four classes; later releases have lung masks.

    COVID-19 3,616, Lung Opacity 6,012, Normal 10,192 and Viral Pneumonia 1,345, from several collections.

    ::

        root/  COVID/images/*.png  COVID/masks/*.png     (or COVID/*.png, as first released; or all in the folder
               Lung_Opacity/  Normal/  Viral Pneumonia/   of the unpacked archive)

    Labels: one class per image, 1 in its column and 0 in the others: train with ``--multi_label False``. No boxes. The
    lungs of a sample are in ``Sample.lungs``, (H, W) in the frame of 299x299 of the published images; the mask
    files are smaller and are scaled by nearest neighbour.

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
    origin, layout = ORIGIN, LAYOUT

    def __init__(self, request: Request, val: int = 60, test: int = 60) -> None:
        self.findings, self.split = request.task({4: tuple(CLASSES)}, self.name, 4), request.split
        for name, number in (("val", val), ("test", test)):
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise BadValueError(f"{name} is {number!r}: give a number of images per class, 1 or more")
        pictures, has_split_folders = _pictures(request.folder(LAYOUT))
        names = _splits(pictures, has_split_folders, request, val, test)
        chosen = [picture for picture, name in zip(pictures, names, strict=True) if name == self.split]
        self.rows = [_row(picture) for picture in chosen]
        self.describe = {
            "partition": request.partition,
            "split_by": "folders" if has_split_folders else "seed",
            "val": val,
            "test": test,
            "images": len(chosen),
            "counts": {name: int((names == name).sum()) for name in SPLITS},
            "classes": {finding: sum(picture.finding == finding for picture in chosen) for finding in CLASSES},
            "files": key([picture.name for picture in pictures]),
            "images_with_lungs": sum(picture.mask is not None for picture in chosen),
            "patients": "unknown",
        }


def _row(picture: Picture) -> Sample:
    """Return the sample of a picture; the picture and its mask are decoded on demand."""
    labels = np.array([picture.finding == finding for finding in CLASSES], np.float32)
    lungs = None if picture.mask is None else functools.partial(_lungs, picture.mask)
    return file_sample(picture.name, picture.name, picture.path, FRAME, labels, {}, read_lungs=lungs)


def _pictures(root: Path) -> tuple[list[Picture], bool]:
    """Return all images, sorted, and True if folders define the split. Raises ``DataError`` for a missing class."""
    base = next((root / name for name in UNPACKED if (root / name).is_dir()), root)
    has_split_folders = all((base / split).is_dir() for split in SPLITS)
    sides = [(split, base / split) for split in SPLITS] if has_split_folders else [("", base)]
    pictures = [picture for split, folder in sides for picture in _in_folder(root, folder, split)]
    lacking = [finding for finding in CLASSES if finding not in {picture.finding for picture in pictures}]
    if lacking:
        raise DataError(f"{base} has no images of {examples(lacking, 4)}: {LAYOUT}")
    twice = sorted(duplicates(picture.name for picture in pictures))
    raise_if_any(base, twice, "duplicate file names", "; keep one of each")  # one image in two splits or classes
    return sorted(pictures, key=lambda picture: (list(CLASSES).index(picture.finding), picture.name)), has_split_folders


def _in_folder(root: Path, folder: Path, split: str) -> Iterator[Picture]:
    """Yield the images in the class folders of ``folder``, with their masks."""
    for subfolder in sorted(path for path in folder.iterdir() if path.is_dir()):
        plain = re.sub("[ _-]", "", subfolder.name.lower())
        finding = next((finding for finding, words in CLASSES.items() if plain in words), None)
        if finding is not None:
            inner = subfolder.relative_to(root)
            masks = find(root, (inner / "masks").as_posix())
            images = find(root, (inner / "images").as_posix()) or find(root, inner.as_posix())
            for name, path in images.items():
                yield Picture(name, finding, Path(path), Path(masks[name]) if name in masks else None, split)


def _splits(
    pictures: Sequence[Picture], has_split_folders: bool, request: Request, val: int, test: int
) -> splits.Names:
    """Return (N,) split names: official is ``val`` and ``test`` images per class, by seed, or given by the folders."""
    if request.partition != "official":
        return splits.assign([picture.name for picture in pictures], request)
    names = np.array([picture.split or "train" for picture in pictures], dtype="<U5")
    if has_split_folders:
        return names
    classes = np.array([picture.finding for picture in pictures])
    for finding in CLASSES:
        at = np.flatnonzero(classes == finding)
        if len(at) <= val + test:
            raise DataError(
                f"{finding} has {len(at)} images, too few for {val} in validation, {test} in test and some in "
                "training: use smaller splits, such as --dataset covid_radiography:val=5,test=5"
            )
        drawn = generator(request.seed, "covid_radiography", finding).permutation(at)
        names[drawn[:test]], names[drawn[test : test + val]] = "test", "val"
    return names


def _lungs(path: Path) -> NDArray[np.bool_]:
    """Return the white pixels of a mask file, (299, 299)."""
    return resize_mask(decode(path) > 127, FRAME)
