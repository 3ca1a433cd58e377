"""How the component of the highest vertex grows as the threshold falls, compiled for ``benchmark.surface.trace``.

Arrays only, as in ``benchmark.surface.runs``: ``f`` (h,w) values, float64.
"""

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
    """(h,w) -> (h,w) threshold below which each vertex belongs to the component of the highest: the widest path.

    It is the largest answer in which no neighbour offers more, so it does not depend on the order in which it is found.
    Readings of the map row by row, forwards and backwards, find most of it, as in Vincent's reconstruction (IEEE Trans.
    Image Processing 2, 1993); what is left waits in buckets of like thresholds, from the highest down.
    """
    h, w = f.shape
    out, peak = np.full((h, w), -np.inf), f.argmax()
    out[peak // w, peak % w] = f[peak // w, peak % w]
    for _ in range(READINGS if f.size > MANY else 0):
        for i in range(1, h):
            _take(f, out, i, i - 1)
        for i in range(h - 2, -1, -1):
            _take(f, out, i, i + 1)
    _settle(f, out)
    return out


READINGS, MANY = 2, 2**12


@njit(cache=True, nogil=True)
def _take(f, out, i, k):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Row i takes what row k beside it offers, then each vertex what those beside it do. Without branches: vectors."""
    w, row, near, values = f.shape[1], out[i], out[k], f[i]
    for j in range(w):
        offered = near[j] if near[j] < values[j] else values[j]
        row[j] = offered if offered > row[j] else row[j]
    for j in range(1, w):
        if row[j] < values[j] and near[j - 1] > row[j]:
            row[j] = max(row[j], min(near[j - 1], _bridge(f, i, j, k, j - 1)))
        if row[j - 1] < values[j - 1] and near[j] > row[j - 1]:
            row[j - 1] = max(row[j - 1], min(near[j], _bridge(f, i, j - 1, k, j)))
    last = row[0]
    for j in range(1, w):
        offered = last if last < values[j] else values[j]
        last = offered if offered > row[j] else row[j]
        row[j] = last
    for j in range(w - 2, -1, -1):
        offered = last if last < values[j] else values[j]
        last = offered if offered > row[j] else row[j]
        row[j] = last


@njit(cache=True, nogil=True)
def _settle(f, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Raise ``out`` until no neighbour offers more. Vertices that may offer wait in buckets, the highest first."""
    h, w = f.shape
    seeds = np.empty(f.size, np.int32)
    count = _offering(f, out, seeds)
    if count == 0:
        return
    low, high = f.min(), f.max()
    head = np.full(min(f.size, 2**20) + 1, -1, np.int32)
    scale = (head.size - 1) / (high - low) if high > low else 0.0
    waiting, after, done = np.empty(f.size + 8, np.int32), np.empty(f.size + 8, np.int32), np.full((h, w), -np.inf)
    for n in range(count):
        where = int((out[seeds[n] // w, seeds[n] % w] - low) * scale)
        waiting[n], after[n], head[where] = seeds[n], head[where], n
    for bucket in range(head.size - 1, -1, -1):
        while head[bucket] >= 0:
            at = waiting[head[bucket]]
            head[bucket] = after[head[bucket]]
            i, j = at // w, at % w
            level = out[i, j]
            if done[i, j] == level:
                continue
            done[i, j] = level
            if count + 8 > waiting.size:
                waiting, after = np.append(waiting, waiting), np.append(after, after)
            for k in range(max(i - 1, 0), min(i + 2, h)):
                for m in range(max(j - 1, 0), min(j + 2, w)):
                    if out[k, m] < min(level, f[k, m]):
                        reached = min(level, _bridge(f, i, j, k, m))
                        if reached > out[k, m]:
                            out[k, m] = reached
                            where = int((reached - low) * scale)
                            waiting[count], after[count], head[where] = k * w + m, head[where], count
                            count += 1


@njit(cache=True, nogil=True)
def _offering(f, out, seeds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write the vertices that a neighbour gains by, each once; how many there are."""
    h, w = f.shape
    count, is_seed = 0, np.zeros((h, w), np.bool_)
    for i in range(h):
        if not _is_open(f[i], out[i], out[max(i - 1, 0)], out[min(i + 1, h - 1)]):
            continue
        for j in range(w):
            if out[i, j] < f[i, j]:
                for k in range(max(i - 1, 0), min(i + 2, h)):
                    for m in range(max(j - 1, 0), min(j + 2, w)):
                        if out[k, m] > out[i, j] and not is_seed[k, m] and _bridge(f, k, m, i, j) > out[i, j]:
                            seeds[count], is_seed[k, m] = k * w + m, True
                            count += 1
    return count


@njit(cache=True, nogil=True)
def _is_open(values, row, above, below):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether any vertex of a row can gain at all: it has less than its value, and a neighbour more. Vectors again."""
    w, count = row.size, 0
    for j in range(w):
        before, after = max(j - 1, 0), min(j + 1, w - 1)
        most = max(max(above[before], above[j], above[after]), max(below[before], below[j], below[after]))
        count += (row[j] < values[j]) & (max(most, row[before], row[after]) > row[j])
    return count > 0


@njit(cache=True, nogil=True)
def left(lines, x, joined, highest, low):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """(n,4) pieces of the component's left edge as a function of the threshold, from the top down to ``low``.

    A piece is linear: upper and lower threshold, edge at the upper and at the lower. While column j is the leftmost,
    the edge is the lower envelope of the lines on which the surface falls from it to column j - 1. ``lines`` (w,h):
    columns of values at ``x`` (w,); ``joined`` (w,h) as ``joins`` gives it, ``highest`` (w,) the most of each column.
    """
    w, h = lines.shape
    out = [(0.0, 0.0, 0.0, 0.0) for _ in range(0)]  # empty, and typed for the compiler
    reach = np.full(w + 1, low)  # reach[j + 1]: below it the component holds a vertex of columns 0 … j
    value, begin, steep = np.empty((3, h))
    for j in range(w):
        reach[j + 1] = max(reach[j], highest[j])
    for j in range(w - 1, -1, -1):
        top = reach[j + 1]
        if j == 0 and top > reach[0]:
            out.append((top, reach[0], 0.0, 0.0))
        elif top > reach[j]:
            count = 0
            for i in range(h):
                if joined[j, i] > reach[j]:  # all others begin where the edge is in another column
                    value[count], begin[count] = lines[j, i], joined[j, i]
                    steep[count] = (x[j] - x[j - 1]) / (lines[j, i] - lines[j - 1, i])
                    count += 1
            while top > reach[j]:
                bottom, edge, end = _next(value[:count], begin[:count], steep[:count], x[j], top, reach[j])
                out.append((top, bottom, edge, end))
                top = bottom
    return np.array(out)


@njit(cache=True, nogil=True)
def _next(f, begin, steep, x, top, low):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """The lowest line just below threshold ``top``: where it stops being the lowest, and its positions at both ends."""
    best, position, slope = -1, np.inf, 0.0
    for i in range(f.size):
        if begin[i] >= top:
            at = x - (f[i] - top) * steep[i]
            if at < position or (at == position and steep[i] > slope):
                best, position, slope = i, at, steep[i]
    bottom, i = low, 0
    while i < f.size:
        if begin[i] < top:
            bottom = max(bottom, begin[i])  # another line begins
        elif steep[i] > slope:
            at = x - (f[i] - top) * steep[i]
            cross = top - (at - position) / (steep[i] - slope)
            if cross >= top:  # they cross at ``top`` itself: this one is the lower below it
                best, position, slope, bottom, i = i, at, steep[i], low, -1
            else:
                bottom = max(bottom, cross)
        i += 1
    return bottom, position, x - (f[best] - bottom) * slope
