"""Masks, contours and boxes of heat maps on pixels, at many score thresholds in one pass.

For the protocols that other authors defined on pixels; all others use the exact ``locus.benchmark.scoring.surface``.

``resample_map``, ``truth_mask``  a heat map and its truth on 224×224 pixels, as in Choe et al. 2020
``segment``                       the overlap of masks on the frame's pixels
``outer``, ``inner``              the contours of a quantised map and of its holes, at all levels (compiled)
``Contours``                      boxes as in the original evaluator of MaxBoxAcc
"""

from functools import cached_property

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from locus.benchmark.scoring.localize import to_frame
from locus.benchmark.scoring.surface import as_heat_map, min_max
from locus.core.compiled import compiled
from locus.core.errors import BadValueError
from locus.core.frames import Alignment, Grid, as_boxes, iou, resample, resolve
from locus.core.types import FloatArray

SIDE = 224
Mask = NDArray[np.bool_]


def resample_map(values: ArrayLike, grid: Grid | Alignment, frame: tuple[int, int]) -> NDArray[np.float32]:
    """Interpolate a map (h,w) to (224,224), then min-max scale it to [0,1]; a constant map gives 0 everywhere."""
    once = min_max(values)  # also scaled before, so that float32 rounds all maps in the same way
    return min_max_float32(resample(once, resolve(grid, (once.shape[0], once.shape[1]), frame), (SIDE, SIDE)))


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
    corners[:, 2:] = np.maximum(corners[:, 2:], corners[:, :2])  # a box below one pixel becomes one pixel
    return np.asarray(corners * SIDE / [width, height, width, height], dtype=np.int64)


def truth_mask(boxes: ArrayLike, frame: tuple[int, int], mask: Mask | None = None) -> Mask:
    """Return the truth as a mask (224,224): its ``mask`` (H,W) by nearest neighbour, or its boxes."""
    if mask is not None:
        return cv2.resize(mask.astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST) > 0
    out = np.zeros((SIDE, SIDE), dtype=bool)
    for x0, y0, x1, y1 in to_pixel_boxes(boxes, frame):
        out[y0 : y1 + 1, x0 : x1 + 1] = True
    return out


def segment(
    values: ArrayLike, grid: Grid | Alignment, truth: Mask, levels: FloatArray
) -> tuple[FloatArray, float, bool]:
    """Return the mask IoUs of a heat map on the frame's pixels, Otsu's threshold, and whether its maximum hits.

    Args:
        values: map (h,w), not constant. It is interpolated on the frame, then scaled to [0,1].
        grid: grid of the map.
        truth: mask (H,W) in the frame.
        levels: ascending thresholds (T,) in [0,1].

    Returns:
        IoUs (T+1,) at each threshold, then at Otsu's, nan if both masks are empty. Otsu's threshold k/255, computed
        from floor(255 · value) as in the protocol's source. True if the first maximum in row-major order is in the
        truth.
    """
    height, width = truth.shape
    picture = min_max_float32(to_frame(min_max(values), (height, width), grid))
    otsu, above = cv2.threshold((255 * picture).astype(np.uint8), 0, 1, cv2.THRESH_OTSU)
    inside, predicted = _count(picture, truth, levels)
    drawn = above.view(np.bool_)
    inside = np.append(inside, np.count_nonzero(drawn & truth))
    predicted = np.append(predicted, np.count_nonzero(drawn))
    either = predicted + np.count_nonzero(truth) - inside
    iou = np.divide(inside, either, out=np.full(len(inside), np.nan), where=either > 0)
    return iou, otsu / 255, bool(truth.flat[picture.argmax()])


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
    counts = np.zeros((levels.size + 1, 2), np.int64)  # row: levels below the pixel; column: 1 in the truth
    for i in range(picture.shape[0]):
        for j in range(picture.shape[1]):
            below = 0
            for level in levels:  # all of them: a branch costs more
                below += picture[i, j] > level
            counts[below, np.int64(truth[i, j])] += 1
    inside, predicted = np.zeros(levels.size), np.zeros(levels.size)
    for n in range(levels.size):
        inside[n], predicted[n] = counts[n + 1 :, 1].sum(), counts[n + 1 :].sum()
    return inside, predicted


STEP_X = (1, 1, 0, -1, -1, -1, 0, 1)
STEP_Y = (0, 1, 1, 1, 0, -1, -1, -1)
"""Eight directions, clockwise from the right; y points down."""
START, STOP, FIRST, DOUBLE_AREA, BOX = 0, 1, 2, 3, slice(4, 8)
"""Columns of a contour: it exists at start <= level < stop; first pixel; doubled area; half-open xyxy."""
EDGE = -2
U = np.uint64
"""Type of indices that are never negative: without a check for them, walks are a fifth faster."""


def outer(image: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the outer contours (n,8) of the 8-connected components of {image > level}, for all levels from 0.

    >>> outer(np.array([[0, 0, 0], [0, 7, 9]], dtype=np.uint8)).tolist()
    [[0, 7, 4, 0, 1, 1, 3, 2], [7, 9, 5, 0, 2, 1, 3, 2]]
    """
    padded = cv2.copyMakeBorder(image, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    before = np.maximum(np.maximum(padded[1:-1, :-2], padded[:-2, :-2]), np.maximum(padded[:-2, 1:-1], padded[:-2, 2:]))
    return np.asarray(_outlines(padded, before, np.full(padded.shape, -1, np.int32), 1))


def inner(image: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the holes (n,8): 4-connected components of {image <= level} that do not touch the border.

    Boxes are the holes' boxes; areas are those of the walk through the hole's pixels.

    >>> inner(np.array([[9, 8, 9], [8, 2, 8], [9, 8, 9]], dtype=np.uint8)).tolist()
    [[2, 8, 4, 0, 1, 1, 2, 2]]
    """
    padded = cv2.copyMakeBorder(255 - image, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    before = np.maximum(padded[1:-1, :-2], padded[:-2, 1:-1])
    corner = np.full(padded.shape, EDGE, np.int32)
    corner[2:-2, 2:-2] = -1
    before[0], before[-1], before[:, 0], before[:, -1] = 255, 255, 255, 255
    out = np.asarray(_outlines(padded, before, corner, 2))
    out[:, [START, STOP]] = 255 - out[:, [STOP, START]]  # {255 - image > l} is {image <= 254 - l}
    return out


@compiled
def _outlines(padded, before, corner, turn):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return one row per outline: the levels between which it is unchanged, its first pixel, doubled area and box.

    Each contour is followed once. It starts at its first pixel in raster order, a corner: the neighbours before it are
    below the level. It stays the same until the level reaches its lowest pixel; until then, corners on it start no
    other contour. A walk that reaches a pixel before its corner is not an outer contour and is abandoned. So the work
    is proportional to the length of the distinct contours.
    """
    wide, flat, numbers = padded.shape[1], padded.ravel(), corner.ravel()
    offset = np.array([STEP_Y[d] * wide + STEP_X[d] for d in range(8)])
    rows, columns = np.nonzero(padded[1:-1, 1:-1] > before)
    for n in range(len(rows)):
        corner[rows[n] + 1, columns[n] + 1] = n
    done = np.zeros((len(rows), 256), np.bool_)
    passed = np.empty(4 * len(rows), np.int32)  # a walk visits a pixel at most four times
    out, count = np.empty((256, 8), np.int64), 0
    for n in range(len(rows)):
        p, level = (rows[n] + 1) * wide + columns[n] + 1, np.int64(before[rows[n], columns[n]])
        while level < flat[p]:
            if done[n, level]:
                level += 1
                continue
            if count == len(out):
                out = np.concatenate((out, np.empty_like(out)))
            stop, corners, whole = _follow(flat, offset, p, level, turn, numbers, passed, out[count])
            for k in range(corners):
                done[passed[k], level:stop] = True
            if whole:
                box = out[count]
                box[START], box[STOP], box[FIRST] = level, stop, rows[n] * (wide - 2) + columns[n]
                box[4], box[6] = columns[n] + box[4], columns[n] + box[6] + 1
                box[5], box[7] = rows[n], rows[n] + box[7] + 1
                count += 1
            level = stop
    return out[:count].copy()


@compiled
def _follow(flat, offset, start, level, turn, corner, passed, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Walk clockwise from ``start``; return the lowest value, the number of corners, and False for an abandoned walk.

    ``turn`` 1 walks in eight directions, ``turn`` 2 in four. A walk also ends at an ``EDGE``.
    """
    lowest, corners = np.int64(flat[start]), 0
    area, x, y, left, right, bottom = 0, 0, 0, 0, 0, 0
    first = 0
    while first < 4 and flat[start + offset[first]] <= level:
        first += turn
    p, d, ahead = start, first, first < 4
    while ahead:
        area += x * STEP_Y[U(d)] - y * STEP_X[U(d)]
        x, y, p = x + STEP_X[U(d)], y + STEP_Y[U(d)], p + offset[U(d)]
        lowest = min(lowest, np.int64(flat[U(p)]))
        at = corner[U(p)]
        if p < start or at == EDGE:
            return lowest, corners, False
        if at >= 0:
            passed[U(corners)] = at
            corners += 1
        left, right, bottom = min(left, x), max(right, x), max(bottom, y)
        d = (d + 7 - (d & 1)) & 7 if turn == 1 else (d + 6) & 7  # the first neighbour after one below the level
        while flat[U(p + offset[U(d)])] <= level:
            d = (d + turn) & 7
        ahead = p != start or d != first
    out[DOUBLE_AREA], out[4], out[6], out[7] = area, left, right, bottom
    return lowest, corners, True


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
    """All contours of a map (H,W) in [0,1] at the T score thresholds of a ``step``, as in the source of Choe et al.

    The source quantises a map to floor(255·s) and binarises it at q > floor(t·max q). Its boxes have the corners x, y,
    min(x + w, W - 1), min(y + h, H - 1), and areas count + 1: one pixel more than the component to the right and below,
    except at the border. Boxes here are half-open boxes of the same pixels, so ``locus.core.frames.iou`` gives equal
    overlaps.

    A quantised map has at most 255 levels. For so few, following contours is faster than a component tree or a search
    at each threshold.
    """

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
        return outer(self._image)

    @cached_property
    def _holes(self) -> Ints:
        return inner(self._image)

    def largest(self) -> Ints:
        """Return the source's boxes (T,4) of the contours with the largest polygon; the last one on ties."""
        return self._boxes(self._outer)[self._best(self._outer, self._outer[:, DOUBLE_AREA])]

    def best_overlap(self, truth: ArrayLike) -> FloatArray:
        """Return the best IoU (T,) of any contour's box with truth boxes (M,4), inner contours included."""
        contours = np.concatenate([self._outer, self._holes])
        contours[len(self._outer) :, BOX] += [-1, -1, 1, 1]  # the contour of a hole is around it
        overlap = iou(self._boxes(contours), truth).max(1)
        return np.asarray(overlap[self._best(contours, overlap[:-1])])

    def _best(self, contours: Ints, score: NDArray[np.generic]) -> Ints:
        """Return the index (T,) of the contour with the highest score at each threshold; -1 if there is none."""
        start, stop, first = (contours[:, column] for column in (START, STOP, FIRST))
        return np.asarray(_alive(start, stop, score.astype(np.float64), first, int(self._at.max()) + 1))[self._at]

    def _boxes(self, contours: Ints) -> Ints:
        """Return the source's boxes (n+1,4); the last one is that of an empty foreground."""
        boxes = contours[:, BOX]
        corner = np.minimum(boxes[:, 2:], [self._image.shape[1] - 1, self._image.shape[0] - 1]) + 1
        return np.concatenate([np.concatenate([boxes[:, :2], corner], 1), PIXEL[None]])


@compiled
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
