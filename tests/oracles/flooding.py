"""Box of the component with the highest vertex by flood fill at each threshold, to test traces."""

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from benchmark.scoring.surface.bilinear import Surface
from core.types import FloatArray

U = np.uint64
"""Of an index that is never negative: the compiler need not ask."""


@njit(cache=True, nogil=True)
def flood(f, y, x, height, width, t, start, stamp, seen, stack, box):  # type: ignore[no-untyped-def]
    """Write the box of the component of {f > t} that holds vertex ``start`` and stamp its vertices in ``seen``."""
    h, w = f.shape
    flat = f.ravel()
    box[0], box[1], box[2], box[3] = width, height, 0.0, 0.0
    seen[start] = stamp
    stack[0] = start
    count = 1
    while count > 0:
        count -= 1
        at = stack[U(count)]
        i, j = at // w, at % w
        here = flat[U(at)]
        above = here - t
        up, down, left, right = i > 0, i < h - 1, j > 0, j < w - 1
        north = flat[U(at - w)] if up else -np.inf
        south = flat[U(at + w)] if down else -np.inf
        west = flat[U(at - 1)] if left else -np.inf
        east = flat[U(at + 1)] if right else -np.inf
        # along the grid lines: the surface falls to t before the neighbour, or runs on to the frame's edge
        if west > t:
            count = _push(at - 1, stamp, seen, stack, count)
        else:
            box[0] = min(box[0], x[j] - above / (here - west) * (x[j] - x[j - 1]) if left else 0.0)
        if east > t:
            count = _push(at + 1, stamp, seen, stack, count)
        else:
            box[2] = max(box[2], x[j] + above / (here - east) * (x[j + 1] - x[j]) if right else width)
        if north > t:
            count = _push(at - w, stamp, seen, stack, count)
        else:
            box[1] = min(box[1], y[i] - above / (here - north) * (y[i] - y[i - 1]) if up else 0.0)
        if south > t:
            count = _push(at + w, stamp, seen, stack, count)
        else:
            box[3] = max(box[3], y[i] + above / (here - south) * (y[i + 1] - y[i]) if down else height)
        # across a patch: only where both other corners are not above; with a third corner, the edges connect anyway
        if up and left and not (north > t or west > t):
            count = _across(flat[U(at - w - 1)], at - w - 1, above, north, west, t, stamp, seen, stack, count)
        if up and right and not (north > t or east > t):
            count = _across(flat[U(at - w + 1)], at - w + 1, above, north, east, t, stamp, seen, stack, count)
        if down and left and not (south > t or west > t):
            count = _across(flat[U(at + w - 1)], at + w - 1, above, south, west, t, stamp, seen, stack, count)
        if down and right and not (south > t or east > t):
            count = _across(flat[U(at + w + 1)], at + w + 1, above, south, east, t, stamp, seen, stack, count)


@njit(cache=True, nogil=True)
def _across(value, at, above, side, other, t, stamp, seen, stack, count):  # type: ignore[no-untyped-def]
    """Push the opposite corner of a patch where the saddle lies above t, written without a division."""
    if value > t and above * (value - t) > (side - t) * (other - t):
        return _push(at, stamp, seen, stack, count)
    return count


@njit(cache=True, nogil=True)
def _push(at, stamp, seen, stack, count):  # type: ignore[no-untyped-def]
    """Push a vertex unless it was pushed before; return the size of the stack."""
    if seen[U(at)] == stamp:
        return count
    seen[U(at)] = stamp
    stack[U(count)] = at
    return count + 1


def peak_boxes(on: Surface, thresholds: ArrayLike) -> FloatArray:
    """(T,) thresholds -> (T,4) boxes in the frame; nan where nothing is above, and for a flat surface."""
    levels, values = np.atleast_1d(np.asarray(thresholds, dtype=np.float64)), on.values
    out = np.full((len(levels), 4), np.nan)
    seen, stack = np.full(values.size, -1, np.int64), np.empty(values.size, np.int64)
    for n, level in enumerate(levels):
        if values.max() > level and not on.flat:
            flood(values, on.y, on.x, *on.frame, level, values.argmax(), n, seen, stack, out[n])
    return out
