"""CheXmask: lung masks, segmented by a network, for radiographs of other data sets. They are not ground truth.

::

    root/chexmask/*.csv, root/CheXmask/*.csv, or their subfolder OriginalResolution: ChestX-Ray8.csv, CheXpert.csv or
    VinDr-CXR.csv, under any name

Columns: the image (``Image Index``, ``Path`` or ``image_id``), ``Dice RCA (Mean)``, ``Dice RCA (Max)``, ``Left Lung``,
``Right Lung``, ``Height``, ``Width``. Masks are pairs of start and length, counted from 1, **row by row** (COCO counts
from 0, column by column). As the authors of CheXmask advise, masks with a mean RCA (reverse classification accuracy)
below .7 are ignored. The heart is not included. The licence of the CSV files is not verified. Gaggion et al., CheXmask,
Scientific Data 11 (2024) 511.
"""

import csv
import functools
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import DataError, examples
from core.types import Sample
from datasets.io.paths import refuse_links
from datasets.io.rle import RunLengthMask
from datasets.lungs import resize_mask

Lungs = Literal["chexmask"] | None
"""Option ``lungs``."""
FOLDERS = ("chexmask", "CheXmask", "chexmask/OriginalResolution", "CheXmask/OriginalResolution")
LEAST_RCA = 0.7
MEAN, MAX, SIDES = "Dice RCA (Mean)", "Dice RCA (Max)", ("Left Lung", "Right Lung")
COLUMNS = (MEAN, MAX, *SIDES, "Height", "Width")
Frame = tuple[int, int]


class LungMasks:
    """Lung masks of the images of a data set that have a mask with a mean RCA of at least .7."""

    def __init__(self, root: Path, word: Lungs, column: str, names: Iterable[tuple[str, str]]) -> None:
        """Find the rows of the images without decoding a mask; there are none if the ``word`` is None.

        ``names``: images and their names in the ``column`` of the file. Raises ``DataError`` for a missing or broken
        file.
        """
        self._offsets: dict[str, int] = {}
        self.described: dict[str, Any] = {}
        """Description for records."""
        if word is None:
            return
        self._path = _file(root, column)
        refuse_links([self._path], root)
        name_of = dict(names)
        offsets = _offsets(self._path, column, frozenset(name_of.values()))
        self._offsets = {image: offsets[name] for image, name in name_of.items() if name in offsets}
        self.described = {"lungs": self._path.name, "images_with_lungs": len(self._offsets)}

    def add(self, sample: Sample) -> Sample:
        """Return the sample with its lung mask, if it has one."""
        if (offset := self._offsets.get(sample.image_id)) is None:
            return sample
        drawing = functools.partial(_draw, self._path, offset, sample.image_id, sample.frame)
        return replace(sample, read_lungs=drawing)


def decode(text: str, size: Frame, where: str) -> NDArray[np.bool_]:
    """Decode pairs of start and length, counted from 1, row by row, to an (H, W) mask. Raises ``DataError``.

    >>> decode("2 2 6 1", (2, 3), "a mask").astype(int).tolist()
    [[0, 1, 1], [0, 0, 1]]
    """
    try:
        numbers = np.array(text.split(), dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{where} is not a list of run lengths: {error}") from error
    start, length = numbers[0::2] - 1, numbers[1::2]
    cells = size[0] * size[1]
    stop = start[: len(length)] + length
    fits = len(start) == len(length) and (length > 0).all() and (start[1:] >= stop[:-1]).all()
    if not fits or (len(start) and (start[0] < 0 or stop[-1] > cells)):
        raise DataError(f"{where}: its run lengths do not fit an image of {size[0]}x{size[1]} pixels")
    return RunLengthMask(size[::-1], start, stop).mask().T


def _file(root: Path, column: str) -> Path:
    """Return the CSV file of CheXmask whose header has ``column``."""
    paths = [path for folder in FOLDERS for path in sorted((root / folder).glob("*.csv"))]
    for path in paths:
        if column in _heading(path):
            return path
    reason = f" (none of {examples(path.name for path in paths)} has the column {column!r})" if paths else ""
    raise DataError(f"{root} has no CSV file of CheXmask{reason}: put it into {root / FOLDERS[0]}")


def _heading(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            return next(csv.reader([file.readline(100_000)]), [])
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}") from error


@functools.lru_cache(maxsize=4)
def _offsets(path: Path, column: str, wanted: frozenset[str]) -> dict[str, int]:
    """Return image -> offset of its line in the file, whose masks do not fit in memory."""
    heading = _heading(path)
    if missing := [name for name in COLUMNS if name not in heading]:
        raise DataError(f"{path} has no column {examples(map(repr, missing))}; it has: {', '.join(heading)}")
    offsets: dict[str, int] = {}
    with path.open("rb") as file:
        file.readline()
        while line := file.readline():
            offset = file.tell() - len(line)
            row = _row(path, heading, line)
            if row[column] in wanted and _rca(path, row, row[column]) >= LEAST_RCA:
                offsets[row[column]] = offset
    return offsets


def _row(path: Path, heading: list[str], line: bytes) -> dict[str, str]:
    csv.field_size_limit(2**24)
    cells = next(csv.reader([line.decode("utf-8", "replace")]), [])
    if len(cells) != len(heading):
        raise DataError(f"{path} has a row of {len(cells)} cells, but {len(heading)} columns: download the file again")
    return dict(zip(heading, cells, strict=True))


def _rca(path: Path, row: dict[str, str], image: str) -> float:
    try:
        mean, largest = float(row[MEAN]), float(row[MAX])
    except ValueError as error:
        raise DataError(f"{path}: the Dice RCA of {image} is not a number: {error}") from error
    if mean > largest:
        raise DataError(f"{path}: the mean RCA of {image}, {mean}, is above its maximum, {largest}: check the columns")
    return mean


def _draw(path: Path, offset: int, image: str, frame: Frame) -> NDArray[np.bool_]:
    """Draw both lungs in the frame (H, W), by nearest neighbour."""
    with path.open("rb") as table:
        table.seek(offset)
        row = _row(path, _heading(path), table.readline())
    try:
        size = int(float(row["Height"])), int(float(row["Width"]))
    except ValueError as error:
        raise DataError(f"{path}: the Height or Width of {image} is not a number: {error}") from error
    lungs = np.logical_or.reduce([decode(row[side], size, f"{path}: the {side} of {image}") for side in SIDES])
    return resize_mask(lungs, frame)
