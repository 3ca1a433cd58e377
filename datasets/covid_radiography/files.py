"""The files of the COVID-19 Radiography Database in the layouts that it has had, and who is in which split."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import DataError, examples
from core.seeds import generator
from datasets import splits
from datasets.base import SPLITS, Request
from datasets.io.download import Kaggle
from datasets.io.images import find

CLASSES = {
    "COVID-19": ("covid", "covid19"),
    "Lung Opacity": ("lungopacity",),
    "Normal": ("normal",),
    "Viral Pneumonia": ("viralpneumonia", "pneumonia"),
}
"""Class -> how its folder is called, in lower case and without spaces, _ and -."""
FRAME = (299, 299)
"""(H, W) of every image as published."""
UNPACKED = ("COVID-19_Radiography_Dataset", "COVID-19 Radiography Database")
"""Folders that the archives of its releases hold."""
ORIGIN = Kaggle("datasets", "tawsifurrahman/covid19-radiography-database")
LAYOUT = (
    "expected COVID/images/*.png and COVID/masks/*.png (or COVID/*.png), the same for Lung_Opacity, Normal and "
    f"Viral Pneumonia, from {ORIGIN}"
)


@dataclass(frozen=True)
class ImageFile:
    """One image of one class."""

    name: str
    """Of the file."""
    finding: str
    path: Path
    mask: Path | None
    """Of the lungs."""
    split: str
    """train, val or test by the folder that it lies in; empty where folders do not say."""


def find_all(root: Path) -> tuple[list[ImageFile], bool]:
    """All images, by class and name, and whether folders say the split. Raises ``DataError`` without a class."""
    base = next((root / name for name in UNPACKED if (root / name).is_dir()), root)
    parted = all((base / split).is_dir() for split in SPLITS)
    sides = [(split, base / split) for split in SPLITS] if parted else [("", base)]
    images = [picture for split, folder in sides for picture in _in_folder(root, folder, split)]
    lacking = [finding for finding in CLASSES if finding not in {picture.finding for picture in images}]
    if lacking:
        raise DataError(f"{base} has no images of {examples(lacking, 4)}: {LAYOUT}")
    images.sort(key=lambda picture: (list(CLASSES).index(picture.finding), picture.name))
    _refuse_twice(base, images)
    return images, parted


def splits_of(pictures: Sequence[ImageFile], parted: bool, asked: Request, val: int, test: int) -> splits.Names:
    """(N,) split names. Officially ``val`` and ``test`` of each class, drawn by the seed, or as folders say."""
    if asked.partition != "official":
        return splits.assign([picture.name for picture in pictures], asked)
    names = np.array([picture.split or "train" for picture in pictures], dtype="<U5")
    if parted:
        return names
    classes = np.array([picture.finding for picture in pictures])
    for finding in CLASSES:
        at = np.flatnonzero(classes == finding)
        if len(at) <= val + test:
            raise DataError(
                f"{len(at)} images of {finding} leave none for training beside {val} for validation and {test} for "
                "test: give fewer, such as --dataset covid_radiography:val=5,test=5"
            )
        drawn = generator(asked.seed, "covid_radiography", finding).permutation(at)
        names[drawn[:test]], names[drawn[test : test + val]] = "test", "val"
    return names


def _in_folder(root: Path, folder: Path, split: str) -> list[ImageFile]:
    if not folder.is_dir():
        return []
    images = []
    for subfolder in sorted(path for path in folder.iterdir() if path.is_dir()):
        finding = _class(subfolder.name)
        if finding is not None:
            images += _of_class(root, subfolder, finding, split)
    return images


def _of_class(root: Path, folder: Path, finding: str, split: str) -> list[ImageFile]:
    images, masks = (find(root, (folder / part).relative_to(root).as_posix()) for part in ("images", "masks"))
    images = images or find(root, folder.relative_to(root).as_posix())
    return [ImageFile(name, finding, path, masks.get(name), split) for name, path in images.items()]


def _class(folder: str) -> str | None:
    plain = "".join(letter for letter in folder.lower() if letter not in " _-")
    return next((finding for finding, words in CLASSES.items() if plain in words), None)


def _refuse_twice(base: Path, pictures: Sequence[ImageFile]) -> None:
    """Raise ``DataError`` when two files have one name: an image in two splits or classes."""
    twice = sorted(name for name, count in Counter(picture.name for picture in pictures).items() if count > 1)
    if twice:
        raise DataError(f"{base} has {len(twice)} file names twice: {examples(twice)}; keep one of each")
