"""Masks, contours and boxes of heat maps on pixels, at many score thresholds.

For the protocols that other authors defined on pixels; all others use the exact ``locus.scoring.surface``.

``resample_map``, ``truth_mask``  a heat map and its truth on 224×224 pixels, as in Choe et al. 2020
``Picture``                       the overlap of masks on the frame's pixels
``Contours``                      boxes as in the original evaluator of MaxBoxAcc
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from locus.core.compiled import compiled
from locus.core.errors import BadValueError
from locus.core.frames import Alignment, Grid, as_boxes, conventional, iou, resample, resolve
from locus.core.types import FloatArray
from locus.scoring.surface import as_heat_map
from locus.scoring.surface.bilinear import to_frame

MAP_SIDE = 224
Mask = NDArray[np.bool_]


def resample_map(
    scaled: FloatArray, grid: Grid | Alignment, frame: tuple[int, int]
) -> NDArray[np.float32]:
    """Interpolate a map (h,w) to (224,224), then min-max scale it to [0,1]; a constant map gives 0 everywhere.

    It is ``scaled`` to [0,1] before as well, so that float32 rounds all maps in the same way.
    """
    placed = resolve(grid, (scaled.shape[0], scaled.shape[1]), frame)
    return min_max_float32(resample(scaled, placed, (MAP_SIDE, MAP_SIDE)))


def min_max_float32(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Min-max scale a picture (H,W) to [0,1] in float32, unlike ``min_max`` of the surface; 0 if it is constant."""
    lifted = picture - picture.min()
    return lifted / lifted.max() if lifted.any() else lifted


def to_pixel_boxes(boxes: ArrayLike, frame: tuple[int, int]) -> NDArray[np.int64]:
    """Convert half-open boxes (M,4) in ``frame`` to Choe's: inclusive corners, scaled to 224×224 and truncated.

    >>> to_pixel_boxes([[0, 512, 514, 1024]], (1024, 1024)).tolist()
    [[0, 112, 112, 223]]
    """
    height, width = frame
    corners = np.maximum(as_boxes(boxes) - [0, 0, 1, 1], 0)
    corners[:, 2:] = np.maximum(
        corners[:, 2:], corners[:, :2]
    )  # a box below one pixel becomes one pixel
    return np.asarray(corners * MAP_SIDE / [width, height, width, height], dtype=np.int64)


def truth_mask(boxes: ArrayLike, frame: tuple[int, int], mask: Mask | None = None) -> Mask:
    """Return the truth as a mask (224,224): its ``mask`` (H,W) by nearest neighbour, or its boxes."""
    if mask is not None:
        return (
            cv2.resize(mask.astype(np.uint8), (MAP_SIDE, MAP_SIDE), interpolation=cv2.INTER_NEAREST)
            > 0
        )
    out = np.zeros((MAP_SIDE, MAP_SIDE), dtype=bool)
    for x0, y0, x1, y1 in to_pixel_boxes(boxes, frame):
        out[y0 : y1 + 1, x0 : x1 + 1] = True
    return out


@dataclass(frozen=True, eq=False)
class Picture:
    """A heat map at the pixels of a frame."""

    values: NDArray[np.float32]
    """(H,W), min-max scaled to [0,1]."""
    otsu: float
    """Otsu's threshold k/255, computed from floor(255 · value) as in the source of CheXlocalize."""
    above_otsu: Mask
    """(H,W)."""

    @classmethod
    def of(cls, scaled: FloatArray, grid: Grid | Alignment, frame: tuple[int, int]) -> "Picture":
        """Interpolate a map (h,w) in [0,1] on the ``frame``, then scale it again; it must not be constant."""
        picture = min_max_float32(_on_pixels(scaled, grid, frame))
        quantised_picture = (255 * picture).astype(np.uint8)
        otsu, above = cv2.threshold(quantised_picture, 0, 1, cv2.THRESH_OTSU)
        return cls(picture, otsu / 255, above.view(np.bool_))

    def overlaps(self, truth: Mask, levels: FloatArray) -> FloatArray:
        """Return the IoUs (T+1,) with a mask (H,W) at ascending levels (T,) in [0,1], then at Otsu's threshold.

        They are nan if both masks are empty.
        """
        inside, predicted = _count(self.values, truth, levels)
        inside = np.append(inside, np.count_nonzero(self.above_otsu & truth))
        predicted = np.append(predicted, np.count_nonzero(self.above_otsu))
        either = predicted + np.count_nonzero(truth) - inside
        return np.divide(inside, either, out=np.full(len(inside), np.nan), where=either > 0)

    def hits(self, truth: Mask) -> bool:
        """Return whether the first maximum in row-major order is in the truth (H,W)."""
        return bool(truth.flat[self.values.argmax()])


def _on_pixels(
    values: FloatArray, grid: Grid | Alignment, frame: tuple[int, int]
) -> NDArray[np.float32]:
    """Return a map (h,w) at the pixels of the ``frame``; a map in these pixels is not interpolated."""
    if values.shape == frame and resolve(grid, frame, frame) == conventional(frame, frame):
        return values.astype(np.float32)
    return to_frame(values, frame, grid)


def interior(boxes: ArrayLike, frame: tuple[int, int]) -> Mask:
    """Return a mask (H,W) of the pixels whose centre is in any of the boxes (M,4) in the ``frame`` (H, W).

    >>> interior([[0, 0, 1.5, 1]], (1, 3)).tolist()
    [[True, False, False]]
    """
    mask = np.zeros(frame, dtype=bool)
    for x0, y0, x1, y1 in np.ceil(as_boxes(boxes) - 0.5).clip(0).astype(np.int64):
        mask[y0:y1, x0:x1] = True
    return mask


@compiled
def _count(picture, truth, levels):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Count the pixels above each of the ascending ``levels``: (T,) inside the truth, and (T,) everywhere."""
    # row: levels below the pixel, of which those with none are not counted; column: 1 in the truth
    counts = np.zeros((levels.size + 1, 2), np.int64)
    for i in range(picture.shape[0]):
        for j in range(picture.shape[1]):
            if picture[i, j] > levels[0]:
                below = 1
                for level in levels[1:]:  # all of them: a branch costs more
                    below += picture[i, j] > level
                counts[below, np.int64(truth[i, j])] += 1
    inside = np.zeros(levels.size)
    predicted = np.zeros(levels.size)
    for n in range(levels.size):
        inside[n] = counts[n + 1 :, 1].sum()
        predicted[n] = counts[n + 1 :].sum()
    return inside, predicted


Ints = NDArray[np.int64]
PIXEL = np.array([0, 0, 1, 1])
"""Difference between a half-open box and inclusive corners; also the box of an empty foreground."""


def score_thresholds(step: float) -> FloatArray:
    """Return the thresholds i·step below 1 (T,). Raises ``BadValueError`` for a step outside (0,1]."""
    if not 0 < step <= 1:
        raise BadValueError(
            f"the step between score thresholds is {step}: give a number above 0, at most 1"
        )
    values = np.arange(0, 1, step)
    return values[values < 1]


def quantised(values: ArrayLike) -> NDArray[np.uint8]:
    """Quantise a map (H,W) in [0,1] to floor(255·s). Raises ``BadValueError`` for another shape or range."""
    array = np.asarray(values)
    # nan fails both comparisons
    if (
        array.dtype.kind != "f"
        or array.ndim != 2
        or not array.size
        or not (array.min() >= 0 and array.max() <= 1)
    ):
        array = as_heat_map(array)
    if array.min() < 0 or array.max() > 1:
        raise BadValueError(
            f"the map has values from {array.min():g} to {array.max():g}: scale it to [0, 1] first"
        )
    return (array * 255).astype(np.uint8)


def levels(image: NDArray[np.uint8], step: float) -> Ints:
    """Return the integer level (T,) of each score threshold; the foreground is ``image > level``."""
    return np.asarray(score_thresholds(step) * int(image.max()), dtype=np.int64)


class Contours:
    """All contours of a map (H,W) in [0,1] at the T score thresholds of a ``step``, as in the source of Choe et al.

    The source quantises a map to floor(255·s) and binarises it at q > floor(t·max q). Its boxes have the corners x, y,
    min(x + w, W - 1), min(y + h, H - 1), and areas count + 1: one pixel more than the component to the right and below,
    except at the border. Boxes here are half-open boxes of the same pixels, so ``locus.core.frames.iou`` gives equal
    overlaps.
    """

    def __init__(self, values: ArrayLike, step: float) -> None:
        """Find the contours of the map. Raises the errors of ``quantised`` and ``score_thresholds``."""
        image = quantised(values)
        distinct, self._at = np.unique(levels(image, step), return_inverse=True)
        contours: list[Sequence[NDArray[np.int32]]] = []
        for level in distinct.tolist():
            foreground = (image > level).view(np.uint8)
            of_level, _ = cv2.findContours(foreground, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
            contours.append(of_level or [NO_CONTOUR])
        counts = [len(of_level) for of_level in contours]
        self._first = np.cumsum([0, *counts[:-1]])
        """First contour of each distinct level."""
        polygons = [polygon[:, 0] for of_level in contours for polygon in of_level]
        self._boxes, self._areas = _boxes_and_areas(polygons, (image.shape[0], image.shape[1]))

    def largest(self) -> Ints:
        """Return the source's boxes (T,4) of the contours with the largest polygon; the last one on ties."""
        areas_by_level = np.split(self._areas, self._first[1:])
        best = self._first + [areas.argmax() for areas in areas_by_level]
        return self._boxes[best][self._at]

    def best_overlap(self, truth: ArrayLike) -> FloatArray:
        """Return the best IoU (T,) of any contour's box with truth boxes (M,4), inner contours included."""
        overlap = iou(self._boxes, truth).max(1)
        return np.asarray(np.maximum.reduceat(overlap, self._first)[self._at])


NO_CONTOUR = np.full((1, 1, 2), -1, dtype=np.int32)
"""Contour of an empty foreground, whose box is the first pixel."""


def _boxes_and_areas(
    polygons: Sequence[NDArray[np.int32]], shape: tuple[int, int]
) -> tuple[Ints, FloatArray]:
    """Return the source's boxes (n,4) and the areas (n,) of polygons, (k,2) x, y each, in an image of ``shape``."""
    counts = np.array([len(polygon) for polygon in polygons])
    first = np.cumsum(counts) - counts
    points = np.concatenate(polygons).astype(np.int64)
    low = np.minimum.reduceat(points, first)
    high = np.maximum.reduceat(points, first)
    corner = np.minimum(high + 1, [shape[1] - 1, shape[0] - 1]) + 1
    boxes = np.concatenate([low, corner], 1)
    boxes[high[:, 0] < 0] = PIXEL
    following = np.arange(1, len(points) + 1)
    following[first + counts - 1] = first
    x, y = points.T
    doubled = np.add.reduceat(x * y[following] - x[following] * y, first)
    return boxes, np.abs(doubled) / 2
