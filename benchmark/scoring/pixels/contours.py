"""Boxes as in the original evaluator of Choe et al., at all score thresholds in one pass over the map.

Its conventions: a map in [0,1] is quantised to floor(255·s) and binarised at q > floor(t·max q). A box has the corners
x, y, min(x + w, W - 1), min(y + h, H - 1), and areas count + 1: one pixel more than the component to the right and
below, except at the border. Boxes here are half-open boxes of the same pixels, so ``core.boxes.iou`` gives equal
overlaps.

A quantised map has at most 255 levels. For so few levels, following contours (``outlines``) is faster than a component
tree or a search at each threshold.
"""

from functools import cached_property

import cv2
import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from benchmark.scoring.pixels import outlines
from benchmark.scoring.surface import as_heat_map
from core.boxes import iou
from core.errors import BadValueError
from core.types import FloatArray

Ints = NDArray[np.int64]
PIXEL = np.array([0, 0, 1, 1])
"""Difference between a half-open box and inclusive corners; also the box of an empty foreground."""


def score_thresholds(step: float) -> FloatArray:
    """Return the thresholds i·step below 1 (T,). Raises ``BadValueError`` for a step outside (0,1]."""
    if not 0 < step <= 1:
        raise BadValueError(f"the step between score thresholds is {step}: give a number above 0, at most 1")
    values = np.arange(0, 1, step)
    return values[values < 1]


def quantised(values: ArrayLike) -> NDArray[np.uint8]:
    """Quantise a map (H,W) in [0,1] to floor(255·s). Raises ``BadValueError`` for another shape or range."""
    array = np.asarray(values)
    # nan fails both comparisons
    if array.dtype.kind != "f" or array.ndim != 2 or not array.size or not (array.min() >= 0 and array.max() <= 1):
        array = as_heat_map(array)
    if array.min() < 0 or array.max() > 1:
        raise BadValueError(f"the map has values from {array.min():g} to {array.max():g}: scale it to [0, 1] first")
    return (array * 255).astype(np.uint8)


def levels(image: NDArray[np.uint8], step: float) -> Ints:
    """Return the integer level (T,) of each score threshold; the foreground is ``image > level``."""
    return np.asarray(score_thresholds(step) * int(image.max()), dtype=np.int64)


class Contours:
    """All contours of a map (H,W) in [0,1] at the T score thresholds of a ``step``."""

    def __init__(self, values: ArrayLike, step: float) -> None:
        """Trace the map. Raises the errors of ``quantised`` and ``score_thresholds``."""
        image = quantised(values)
        level_at = levels(image, step)
        new = np.diff(level_at, prepend=-1) > 0
        distinct, self._at = level_at[new], new.cumsum() - 1
        if len(distinct) < image.max():  # skip levels without a threshold
            ranks = np.searchsorted(distinct, np.arange(256)).astype(np.uint8)
            image = np.asarray(cv2.LUT(image, ranks), dtype=np.uint8)
        self._image = image

    @cached_property
    def _outer(self) -> Ints:
        return outlines.outer(self._image)

    @cached_property
    def _holes(self) -> Ints:
        return outlines.inner(self._image)

    def largest(self) -> Ints:
        """Return the source's boxes (T,4) of the contours with the largest polygon; the last one on ties."""
        return self._boxes(self._outer)[self._best(self._outer, self._outer[:, outlines.DOUBLE_AREA])]

    def best_overlap(self, truth: ArrayLike) -> FloatArray:
        """Return the best IoU (T,) of any contour's box with truth boxes (M,4), inner contours included."""
        contours = np.concatenate([self._outer, self._holes])
        contours[len(self._outer) :, outlines.BOX] += [-1, -1, 1, 1]  # the contour of a hole is around it
        overlap = iou(self._boxes(contours), truth).max(1)
        return np.asarray(overlap[self._best(contours, overlap[:-1])])

    def _best(self, contours: Ints, score: NDArray[np.generic]) -> Ints:
        """Return the index (T,) of the contour with the highest score at each threshold; -1 if there is none."""
        start, stop, first = (contours[:, column] for column in (outlines.START, outlines.STOP, outlines.FIRST))
        return np.asarray(_alive(start, stop, score.astype(np.float64), first, int(self._at.max()) + 1))[self._at]

    def _boxes(self, contours: Ints) -> Ints:
        """Return the source's boxes (n+1,4); the last one is that of an empty foreground."""
        boxes = contours[:, outlines.BOX]
        corner = np.minimum(boxes[:, 2:], [self._image.shape[1] - 1, self._image.shape[0] - 1]) + 1
        return np.concatenate([np.concatenate([boxes[:, :2], corner], 1), PIXEL[None]])


@njit(cache=True, nogil=True)
def _alive(start, stop, score, first, steps):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return, for each step, the contour with the highest ``score`` and start <= step < stop; -1 if there is none.

    All arrays are (n,). Ties go to the largest ``first``.
    """
    out = np.full(steps, -1, np.int64)
    for n in range(len(start)):
        for step in range(start[n], stop[n]):
            other = out[step]
            if other < 0 or score[n] > score[other] or (score[n] == score[other] and first[n] > first[other]):
                out[step] = n
    return out
