"""Components of a surface by flooding its vertices, compiled: what ``benchmark.surface`` calls.

Arrays only, so that numba compiles them once: ``f`` (h,w) values at rows ``y`` (h,) and columns ``x`` (w,) of a frame
``height`` × ``width``; all float64 and in the frame.
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def flood(f, y, x, height, width, t, start, stamp, seen, stack, box):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Write the box of the component of {f > t} that holds vertex ``start`` and stamp its vertices in ``seen``."""
    h, w = f.shape
    box[0], box[1], box[2], box[3] = width, height, 0.0, 0.0
    seen[start] = stamp
    stack[0] = start
    count = 1
    while count > 0:
        count -= 1
        i, j = stack[count] // w, stack[count] % w
        above = f[i, j] - t
        for di in range(-1, 2):
            for dj in range(-1, 2):
                if di == 0 and dj == 0:
                    continue
                k, m = i + di, j + dj
                inside = 0 <= k < h and 0 <= m < w
                if di == 0 or dj == 0:
                    joined = inside and f[k, m] > t
                    if not joined:  # the surface falls to t on this grid line, or runs on to the frame's edge
                        part = above / (f[i, j] - f[k, m]) if inside else 0.0
                        if dj == -1:
                            box[0] = min(box[0], x[j] - part * (x[j] - x[m]) if inside else 0.0)
                        elif dj == 1:
                            box[2] = max(box[2], x[j] + part * (x[m] - x[j]) if inside else width)
                        elif di == -1:
                            box[1] = min(box[1], y[i] - part * (y[i] - y[k]) if inside else 0.0)
                        else:
                            box[3] = max(box[3], y[i] + part * (y[k] - y[i]) if inside else height)
                else:  # saddle > t, written without a division; with a third corner above, the edges connect anyway
                    joined = inside and f[k, m] > t and above * (f[k, m] - t) > (f[i, m] - t) * (f[k, j] - t)
                if joined and seen[k * w + m] != stamp:
                    seen[k * w + m] = stamp
                    stack[count] = k * w + m
                    count += 1


@njit(cache=True, nogil=True)
def peak_boxes(f, y, x, height, width, levels):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """(T,4) box of the highest vertex's component at each of the (T,) ``levels``; nan where it is not above."""
    out = np.full((levels.size, 4), np.nan)
    seen, stack = np.full(f.size, -1, np.int64), np.empty(f.size, np.int64)
    peak = f.argmax()
    highest = f.max()
    for n in range(levels.size):
        if highest > levels[n]:
            flood(f, y, x, height, width, levels[n], peak, n, seen, stack, out[n])
    return out


@njit(cache=True, nogil=True)
def all_boxes(f, y, x, height, width, levels, order):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """(M,4) boxes of all components at all ``levels`` and (M,) the level's number; ``order`` lists vertices from the highest down."""
    out, index = np.empty((levels.size * f.size, 4)), np.empty(levels.size * f.size, np.int64)
    seen, stack = np.full(f.size, -1, np.int64), np.empty(f.size, np.int64)
    count = 0
    for n in range(levels.size):
        for start in order:
            if f[start // f.shape[1], start % f.shape[1]] <= levels[n]:
                break
            if seen[start] != n:
                flood(f, y, x, height, width, levels[n], start, n, seen, stack, out[count])
                index[count] = n
                count += 1
    return out[:count].copy(), index[:count].copy()
