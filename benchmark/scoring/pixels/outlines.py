"""Contours of a quantised map at all levels, each followed once (compiled).

A contour starts at its first pixel in raster order, a corner: the neighbours before it are below the level. A contour
stays the same until the level reaches its lowest pixel; until then, corners on it start no other contour. A walk that
reaches a pixel before its corner is not an outer contour and is abandoned. So the work is proportional to the length of
the distinct contours.
"""

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

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


@njit(cache=True, nogil=True)
def _outlines(padded, before, corner, turn):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return one row per outline: the levels between which it is unchanged, its first pixel, doubled area and box."""
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


@njit(cache=True, nogil=True)
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
