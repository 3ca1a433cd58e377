"""How the component of the highest vertex grows as the threshold falls, compiled for ``benchmark.surface.trace``.

Arrays only, as in ``benchmark.surface.flood``: ``f`` (h,w) values, float64.
"""

import heapq

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _bridge(f, i, j, k, m):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """The threshold below which vertex (i, j) is connected with its neighbour (k, m) inside their edge or patch."""
    lower = min(f[i, j], f[k, m])
    side = max(f[i, m], f[k, j])
    if i == k or j == m or side >= lower:  # with a third corner as high, the edges connect them
        return lower
    a, d = f[i, j] - side, f[k, m] - side
    return min(lower, side + a * d / (a + d + side - min(f[i, m], f[k, j])))  # the saddle


@njit(cache=True, nogil=True)
def joins(f):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """(h,w) -> (h,w) threshold below which each vertex belongs to the component of the highest: the widest path."""
    h, w = f.shape
    out = np.full((h, w), -np.inf)
    peak = f.argmax()
    heap = [(-f[peak // w, peak % w], peak)]
    while len(heap) > 0:
        level, at = heapq.heappop(heap)
        i, j = at // w, at % w
        if out[i, j] > -np.inf:
            continue
        out[i, j] = -level
        for k in range(max(i - 1, 0), min(i + 2, h)):
            for m in range(max(j - 1, 0), min(j + 2, w)):
                if out[k, m] == -np.inf:
                    heapq.heappush(heap, (-min(-level, _bridge(f, i, j, k, m)), k * w + m))
    return out


@njit(cache=True, nogil=True)
def left(f, x, joined, low):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """(n,4) pieces of the component's left edge as a function of the threshold, from the top down to ``low``.

    A piece is linear: upper and lower threshold, edge at the upper and at the lower. While column j is the leftmost,
    the edge is the lower envelope of the lines on which the surface falls from it to column j - 1; ``x`` (w,) columns,
    ``joined`` as ``joins`` gives it.
    """
    w = f.shape[1]
    out = [(0.0, 0.0, 0.0, 0.0) for _ in range(0)]  # empty, and typed for the compiler
    reach = np.full(w + 1, low)  # reach[j + 1]: below it the component holds a vertex of columns 0 … j
    for j in range(w):
        reach[j + 1] = max(reach[j], joined[:, j].max())
    for j in range(w - 1, -1, -1):
        top = reach[j + 1]
        while top > reach[j]:
            if j == 0:
                bottom, edge, end = reach[0], 0.0, 0.0
            else:
                bottom, edge, end = _next(f[:, j], f[:, j - 1], joined[:, j], x[j], x[j] - x[j - 1], top, reach[j])
            out.append((top, bottom, edge, end))
            top = bottom
    return np.array(out)


@njit(cache=True, nogil=True)
def _next(f, neighbour, joined, x, step, top, low):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """The lowest line just below threshold ``top``: where it stops being the lowest, and its positions at both ends."""
    best, position, slope = -1, np.inf, 0.0
    for i in range(f.size):
        if joined[i] >= top:
            steep = step / (f[i] - neighbour[i])
            at = x - (f[i] - top) * steep
            if at < position or (at == position and steep > slope):
                best, position, slope = i, at, steep
    bottom, i = low, 0
    while i < f.size:
        if low < joined[i] < top:
            bottom = max(bottom, joined[i])  # another line begins
        elif joined[i] >= top:
            steep = step / (f[i] - neighbour[i])
            at = x - (f[i] - top) * steep
            if steep > slope:
                cross = top - (at - position) / (steep - slope)
                if cross >= top:  # they cross at ``top`` itself: this one is the lower below it
                    best, position, slope, bottom, i = i, at, steep, low, -1
                else:
                    bottom = max(bottom, cross)
        i += 1
    return bottom, position, x - (f[best] - bottom) * slope
