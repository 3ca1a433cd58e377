"""Truth as people outline it: polygons, ellipses and masks, with their boxes and their pixels in the frame.

``Polygons``   one or several rings of points, as in COCO
``Ellipse``    centre, two radii and an angle
``RunLengths`` a run-length mask, as in COCO
``MaskFile``   a picture whose pixels above 0 are the finding
``of_segmentation``, ``of_cells``  read a shape of COCO and of a table

A pixel belongs to a shape if its centre is inside; pixel i covers [i, i+1). Every reader is told where a shape is
written, and says so in its errors.
"""

import ast
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from locus.core.errors import DataError
from locus.core.types import FloatArray
from locus.datasets.io import images, rle
from locus.datasets.io.tables import inside

Frame = tuple[int, int]
"""(H, W) in pixels."""
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLUMNS = ("mask", "rle", "polygon", "ellipse")
"""Columns of a table of boxes that hold shapes; a row has at most one of them."""
ADVICE = {
    "polygon": "write x y x y x y …, at least three points",
    "ellipse": "write cx cy rx ry, or cx cy rx ry angle in degrees",
    "rle": "write COCO's {'size': [height, width], 'counts': …}",
}


class Shape(ABC):
    """An outlined region."""

    @abstractmethod
    def boxes(self, frame: Frame) -> FloatArray:
        """Return the (M,4) boxes of the shape: one, or one per connected part of a mask."""

    @abstractmethod
    def mask(self, frame: Frame) -> NDArray[np.bool_]:
        """Return the (H,W) pixels of the shape. Raises ``DataError`` if it has another size."""


@dataclass(frozen=True, eq=False)
class Polygons(Shape):
    """Rings of points; a pixel that an even number of one ring's windings enclose is a hole of that ring."""

    rings: tuple[FloatArray, ...]
    """(n,2) points x, y of each ring, n at least 3."""

    def boxes(self, frame: Frame) -> FloatArray:
        """Return one box around all rings."""
        points = np.concatenate(self.rings)
        return np.array([[*points.min(0), *points.max(0)]])

    def mask(self, frame: Frame) -> NDArray[np.bool_]:
        """Return the pixels inside any ring.

        >>> square = Polygons((np.array([[1, 0], [3, 0], [3, 2], [1, 2.0]]),))
        >>> square.mask((2, 4)).astype(int).tolist()
        [[0, 1, 1, 0], [0, 1, 1, 0]]
        """
        filled = np.zeros(frame, bool)
        for ring in self.rings:
            filled |= _inside(ring, frame)
        return filled


def _inside(ring: FloatArray, frame: Frame) -> NDArray[np.bool_]:
    """Return the pixels whose centre is inside a ring, by the even-odd rule, row by row."""
    filled = np.zeros(frame, bool)
    x, y = ring.T
    next_x = np.roll(x, -1)
    next_y = np.roll(y, -1)
    first = int(np.floor(max(0, y.min())))
    last = int(np.ceil(min(frame[0], y.max())))
    for row in range(first, last):
        centre = row + 0.5
        crosses = (y <= centre) != (next_y <= centre)
        slope = (next_x - x)[crosses] / (next_y - y)[crosses]
        crossings = np.sort(x[crosses] + (centre - y[crosses]) * slope)
        for left, right in zip(crossings[::2], crossings[1::2], strict=True):
            start = max(0, int(np.ceil(left - 0.5)))
            stop = max(0, int(np.ceil(right - 0.5)))
            filled[row, start:stop] = True
    return filled


@dataclass(frozen=True, eq=False)
class Ellipse(Shape):
    """An ellipse."""

    centre: tuple[float, float]
    """x and y."""
    radii: tuple[float, float]
    """Both above 0."""
    angle: float = 0.0
    """Angle of the first radius to the x axis in degrees, clockwise on the screen."""

    def boxes(self, frame: Frame) -> FloatArray:
        """Return its box.

        >>> Ellipse((5, 5), (4, 2), 90).boxes((10, 10)).round(6).tolist()
        [[3.0, 1.0, 7.0, 9.0]]
        """
        cosine, sine = np.cos(np.deg2rad(self.angle)), np.sin(np.deg2rad(self.angle))
        half = np.hypot(
            *np.array([[cosine, sine], [sine, cosine]]).T * np.array(self.radii)[:, None]
        )
        centre = np.array(self.centre)
        return np.array([[*(centre - half), *(centre + half)]])

    def mask(self, frame: Frame) -> NDArray[np.bool_]:
        """Return the pixels inside."""
        angle = np.deg2rad(self.angle)
        y, x = np.mgrid[: frame[0], : frame[1]] + 0.5
        dx = x - self.centre[0]
        dy = y - self.centre[1]
        along = dx * np.cos(angle) + dy * np.sin(angle)  # in the direction of the first radius
        across = dy * np.cos(angle) - dx * np.sin(angle)
        return np.asarray((along / self.radii[0]) ** 2 + (across / self.radii[1]) ** 2 <= 1)


@dataclass(frozen=True, eq=False)
class RunLengths(Shape):
    """A run-length mask."""

    runs: rle.RunLengthMask
    where: str

    def boxes(self, frame: Frame) -> FloatArray:
        """Return a box for each connected part."""
        _require_size(self.runs.size, frame, self.where)
        return self.runs.boxes()

    def mask(self, frame: Frame) -> NDArray[np.bool_]:
        """Return the decoded mask."""
        _require_size(self.runs.size, frame, self.where)
        return self.runs.mask()


@dataclass(frozen=True, eq=False)
class MaskFile(Shape):
    """A picture whose pixels above 0 are the finding; it is decoded when it is needed."""

    path: Path
    where: str

    def boxes(self, frame: Frame) -> FloatArray:
        """Return a box for each connected part. Raises ``DataError`` for a mask without a pixel."""
        boxes = rle.of_mask(self.mask(frame)).boxes()
        if not len(boxes):
            raise DataError(f"{self.where}: the mask {self.path} is empty: remove its row")
        return boxes

    def mask(self, frame: Frame) -> NDArray[np.bool_]:
        """Return the pixels above 0. Raises ``DataError`` for other files than PNG, which may change pixels."""
        with self.path.open("rb") as file:
            is_png = file.read(len(PNG_SIGNATURE)) == PNG_SIGNATURE
        if not is_png:
            raise DataError(
                f"{self.where}: the mask {self.path} is no PNG file: JPEG changes pixels, so write PNG"
            )
        pixels = images.decode(self.path)
        height, width = pixels.shape
        _require_size((height, width), frame, f"{self.where}: the mask {self.path}")
        return np.asarray(pixels > 0)


def _require_size(size: Frame, frame: Frame, where: str) -> None:
    """Raise ``DataError`` if a mask has another size than its image."""
    if tuple(size) != tuple(frame):
        sizes = f"has {size[1]}x{size[0]} pixels, but its image has {frame[1]}x{frame[0]}"
        raise DataError(f"{where} {sizes}: give masks of the size of the image")


def of_segmentation(value: Any, where: str) -> Shape:
    """Return the shape in COCO's field ``segmentation``: lists of x, y, x, y …, or a run-length mask.

    ``where``: the file and the annotation. Raises ``DataError`` for other content, and for a ring of two points.
    """
    if isinstance(value, Mapping):
        return RunLengths(rle.decode(value, where), where)
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise DataError(
            f"{where} has the segmentation {str(value)[:60]!r}: {ADVICE['polygon']}, or {ADVICE['rle']}"
        )
    return Polygons(tuple(_ring(ring, where) for ring in value))


def of_cells(cells: Mapping[str, str], folder: Path, where: str) -> Shape | None:
    """Return the shape in a row of a table, by its column of ``COLUMNS``; None if all of them are empty.

    ``folder``: the folder that the paths of masks refer to. ``where``: the file and the line, for the ``DataError``
    that is raised for an invalid shape and for two of them.
    """
    texts = {name: str(cells.get(name, "")).strip() for name in COLUMNS}
    texts = {name: text for name, text in texts.items() if text not in ("", "nan")}
    if not texts:
        return None
    if len(texts) > 1:
        raise DataError(f"{where} has {' and '.join(texts)}: give one shape per row")
    ((name, text),) = texts.items()
    if name == "mask":
        return MaskFile(_existing(folder, text, where), where)
    if name == "rle":
        return RunLengths(rle.decode(_literal(text, where), where), where)
    numbers = _numbers(text, name, where)
    return Polygons((_ring(numbers, where),)) if name == "polygon" else _ellipse(numbers, where)


def _existing(folder: Path, text: str, where: str) -> Path:
    path = inside(folder, text, where)
    if not path.is_file():
        raise DataError(f"{where} has the mask {text!r}, and there is no file {path}")
    return path


def _literal(text: str, where: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise DataError(f"{where} has the run lengths {text[:60]!r}: {ADVICE['rle']}") from None


def _numbers(text: str, name: str, where: str) -> list[float]:
    try:
        return [float(number) for number in re.split(r"[\s,;]+", text.strip("[]() "))]
    except ValueError:
        raise DataError(f"{where} has the {name} {text[:60]!r}: {ADVICE[name]}") from None


def _ring(values: Any, where: str) -> FloatArray:
    """Return the (n,2) points of a list x, y, x, y …. Raises ``DataError`` for fewer than three points."""
    try:
        numbers = np.asarray(values, np.float64).ravel()
    except (TypeError, ValueError):
        raise DataError(
            f"{where} has a polygon that is no list of numbers: {ADVICE['polygon']}"
        ) from None
    if numbers.size % 2 or not np.isfinite(numbers).all():
        raise DataError(f"{where} has a polygon of {numbers.size} numbers: {ADVICE['polygon']}")
    if numbers.size < 6:
        raise DataError(f"{where} has a polygon of {numbers.size // 2} points: {ADVICE['polygon']}")
    return numbers.reshape(-1, 2)


def _ellipse(numbers: Sequence[float], where: str) -> Ellipse:
    """Return the ellipse of cx, cy, rx, ry and an optional angle. Raises ``DataError`` for other numbers."""
    if len(numbers) not in (4, 5) or not np.isfinite(numbers).all() or min(numbers[2:4]) <= 0:
        text = " ".join(f"{number:g}" for number in numbers)
        raise DataError(f"{where} has the ellipse {text}: {ADVICE['ellipse']}")
    x, y, first_radius, second_radius, *angle = numbers
    return Ellipse(
        centre=(x, y), radii=(first_radius, second_radius), angle=angle[0] if angle else 0.0
    )
