"""Masks in COCO's column-wise run-length encoding, and their boxes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from locus.core.errors import DataError
from locus.core.types import FloatArray

Ints = NDArray[np.int64]
MAX_SIDE = 16_384
"""Maximum side of an image in pixels, four times that of radiographs."""


@dataclass(frozen=True, eq=False)
class RunLengthMask:
    """A mask of ``size`` (H, W) stored as runs within columns."""

    size: tuple[int, int]
    start: Ints
    """(n,) start of each run: column · H + row, ascending."""
    stop: Ints
    """(n,) end of each run, exclusive; a run never leaves its column."""

    def mask(self) -> NDArray[np.bool_]:
        """Return the decoded (H, W) mask."""
        height, width = self.size
        lengths = self.stop - self.start
        ends = np.cumsum(lengths)
        pixels = np.arange(lengths.sum()) + np.repeat(self.start - (ends - lengths), lengths)
        columns = np.zeros(height * width, dtype=bool)
        columns[pixels] = True
        return columns.reshape(width, height).T

    def boxes(self) -> FloatArray:
        """Return the (M,4) float64 tight boxes (xyxy, half-open) of the 8-connected parts, in pixels, left to right."""
        count, part_of_run = self._parts()
        left, top = np.divmod(self.start, self.size[0])
        bottom = top + self.stop - self.start
        boxes = np.empty((count, 4))
        boxes[:, :2] = np.inf
        boxes[:, 2:] = -np.inf
        np.minimum.at(boxes[:, 0], part_of_run, left)
        np.minimum.at(boxes[:, 1], part_of_run, top)
        np.maximum.at(boxes[:, 2], part_of_run, left + 1)
        np.maximum.at(boxes[:, 3], part_of_run, bottom)
        return boxes

    def _parts(self) -> tuple[int, NDArray[np.int32]]:
        """Return the number of connected parts, and the (n,) part of each run; touching runs share a part."""
        from scipy.sparse import coo_array  # slow import, only for masks
        from scipy.sparse.csgraph import connected_components

        height = self.size[0]
        run_count = len(self.start)
        # Runs are sorted, so those that may touch a run are neighbours: from ``low`` to before ``high``.
        low = np.searchsorted(self.stop, self.start + height, side="left")
        high = np.searchsorted(self.start, self.stop + height, side="right")
        neighbours = np.maximum(high - low, 0)
        left = np.repeat(np.arange(run_count), neighbours)
        position = np.arange(neighbours.sum()) - np.repeat(
            np.cumsum(neighbours) - neighbours, neighbours
        )
        right = position + np.repeat(low, neighbours)
        is_next_column = self.start[right] // height - self.start[left] // height == 1
        indices = (left[is_next_column], right[is_next_column])
        links = coo_array((np.ones(is_next_column.sum()), indices), shape=(run_count, run_count))
        count, part_of_run = connected_components(links, directed=False)
        return int(count), part_of_run


def decode(packed: Any, where: str) -> RunLengthMask:
    """Parse ``{"size": [H, W], "counts": text or list of lengths}``, as written by pycocotools (background first).

    ``where``: description for the ``DataError`` that is raised for other content and if the lengths do not fill the
    image.

    >>> decode({"size": [2, 3], "counts": [1, 2, 3]}, "a mask").mask().astype(int).tolist()
    [[0, 1, 0], [1, 0, 0]]
    """
    if not isinstance(packed, Mapping):
        raise DataError(
            f"{where} has the run lengths {str(packed)[:60]}: write COCO's {{'size': [height, width], 'counts': …}}"
        )
    try:
        height, width = (int(side) for side in packed["size"])
        counts = packed["counts"]
        lengths = _unpacked(counts) if isinstance(counts, str) else np.asarray(counts, np.int64)
        fills_image = bool(
            lengths.ndim == 1 and (lengths >= 0).all() and lengths.sum() == height * width
        )
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise DataError(
            f"{where} is not a run-length mask ({type(error).__name__}: {error})"
        ) from error
    if min(height, width) <= 0 or max(height, width) > MAX_SIDE:
        raise DataError(
            f"{where} has the size {height}x{width}: 1 to {MAX_SIDE} pixels per side are allowed"
        )
    if not fills_image:
        problem = (
            f"the run lengths of {where} are negative or do not add up to {height}x{width} pixels"
        )
        raise DataError(f"{problem}: the file is damaged, so download or write it again")
    return _cut_at_columns((height, width), lengths)


def relative(text: str, size: tuple[int, int], where: str) -> RunLengthMask:
    """Parse SIIM's text: pairs of the distance from the last run and the length of a run, along columns.

    ``where``: description for the ``DataError`` that is raised for other content and for runs beyond the image.

    >>> relative("1 2", (2, 3), "a mask").mask().astype(int).tolist()
    [[0, 1, 0], [1, 0, 0]]
    """
    try:
        lengths = np.array(text.split(), np.int64)
    except (ValueError, OverflowError) as error:
        raise DataError(
            f"{where} is not a run-length mask: {text[:40]!r} must be whole numbers"
        ) from error
    if not lengths.size or lengths.size % 2 or lengths.min() < 0:
        raise DataError(
            f"{where} is not a run-length mask: {text[:40]!r} must be pairs of a distance and a length"
        )
    if lengths.sum() > size[0] * size[1]:
        raise DataError(
            f"the runs of {where} end at pixel {lengths.sum()}, beyond its {size[0]}x{size[1]} pixels"
        )
    return _cut_at_columns(size, lengths)


def _unpacked(text: str) -> Ints:
    """Decode COCO's text of run lengths: five bits a character, lowest first; from the fourth on as differences."""
    symbols = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - 48
    last = np.flatnonzero(symbols & 32 == 0)
    if (
        not symbols.size
        or symbols.min() < 0
        or symbols.max() > 63
        or last.size == 0
        or last[-1] != symbols.size - 1
    ):
        raise ValueError("broken text of counts")
    first = np.concatenate([[0], last[:-1] + 1])
    width = last - first + 1
    if width.max() > 12:
        raise ValueError("a count of more than 60 bits")
    digit = np.arange(symbols.size) - np.repeat(first, width)
    values = np.add.reduceat((symbols & 31) << (5 * digit), first)
    values -= np.where(symbols[last] & 16 != 0, np.int64(1) << (5 * width), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def _cut_at_columns(size: tuple[int, int], lengths: Ints) -> RunLengthMask:
    """Return runs from alternating lengths of background and mask, cut where they leave their column."""
    height = size[0]
    ends = np.cumsum(lengths)
    first = ends[0::2][: len(ends) // 2]
    last = ends[1::2]
    is_filled = last > first
    first, last = first[is_filled], last[is_filled]
    column_counts = (last - 1) // height - first // height + 1
    piece = np.arange(column_counts.sum()) - np.repeat(
        np.cumsum(column_counts) - column_counts, column_counts
    )
    column_start = (np.repeat(first // height, column_counts) + piece) * height
    start = np.maximum(np.repeat(first, column_counts), column_start)
    stop = np.minimum(np.repeat(last, column_counts), column_start + height)
    return RunLengthMask(size, start, stop)


def union(masks: Sequence[RunLengthMask]) -> RunLengthMask:
    """Return the union of masks of one size."""
    return of_mask(np.logical_or.reduce([runs.mask() for runs in masks]))


def of_mask(mask: NDArray[np.bool_]) -> RunLengthMask:
    """Return a mask (H,W) as runs.

    >>> of_mask(np.array([[0, 1, 0], [1, 0, 0]], bool)).boxes().tolist()
    [[0.0, 0.0, 2.0, 2.0]]
    """
    edges = np.flatnonzero(np.diff(mask.T.ravel().astype(np.int8), prepend=0, append=0))
    height, width = mask.shape
    return _cut_at_columns((height, width), np.diff(edges, prepend=0))
