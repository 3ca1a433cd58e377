"""Threshold at which each vertex joins the highest vertex's component, compiled for ``scoring.surface.trace``.

Arrays only, as in ``benchmark.scoring.surface.runs``: ``f`` (h,w) values, float64.
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _bridge(f, i, j, k, m):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the threshold below which vertex (i, j) is connected with its neighbour (k, m) in their edge or patch."""
    lower = min(f[i, j], f[k, m])
    side = max(f[i, m], f[k, j])
    if i == k or j == m or side >= lower:  # with a third corner as high, the edges connect them
        return lower
    a, d = f[i, j] - side, f[k, m] - side
    return min(lower, side + a * d / (a + d + side - min(f[i, m], f[k, j])))  # the saddle


@njit(cache=True, nogil=True)
def joins(f):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Return the threshold (h,w) below which each vertex belongs to the component of the highest vertex (widest path).

    The result does not depend on the order of computation. Passes over the rows, away from the peak and back, find most
    of it, as in Vincent's reconstruction (IEEE Trans. Image Processing 2, 1993); other vertices wait in buckets of
    similar thresholds, highest first. Once the component touches all four edges of the map, its box no longer changes:
    vertices that join at lower thresholds may keep a value that is too low.
    """
    h, w = f.shape
    out, peak = np.full((h, w), -np.inf), f.argmax()
    out[peak // w, peak % w] = f[peak // w, peak % w]
    if f.size > SWEPT_ABOVE:
        for i in range(peak // w + 1, h):
            _take(f, out, i, i - 1)
        for i in range(h - 2, -1, -1):
            _take(f, out, i, i + 1)
        for i in range(1, h):
            if _is_open(f, out, i, -np.inf):
                _take(f, out, i, i - 1)
        for i in range(h - 2, -1, -1):
            if _is_open(f, out, i, -np.inf):
                _take(f, out, i, i + 1)
    _settle(f, out)
    return out


SWEPT_ABOVE = 2**12


@njit(cache=True, nogil=True)
def _take(f, out, i, k):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Raise row i from its neighbour row k, then along the row itself. Free of branches, so that it is vectorized."""
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
    """Raise ``out`` until no neighbour can raise it. Vertices that may raise others wait in buckets, highest first."""
    h, w = f.shape
    seeds = np.empty(f.size, np.int32)
    touched = np.array([out[0].max(), out[:, 0].max(), out[h - 1].max(), out[:, w - 1].max()])
    count = _offering(f, out, touched.min(), seeds)
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
        if head[bucket] >= 0 and bucket < (touched.min() - low) * scale - 1:
            return
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
                            _touch(touched, k, m, h, w, reached)
                            where = int((reached - low) * scale)
                            waiting[count], after[count], head[where] = k * w + m, head[where], count
                            count += 1


@njit(cache=True, nogil=True)
def _touch(touched, i, j, h, w, level):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Record that vertex (i, j) belongs to the component below ``level`` if it is on an edge of the map."""
    at = i == 0, j == 0, i == h - 1, j == w - 1
    for n in range(4):
        if at[n]:
            touched[n] = max(touched[n], level)


@njit(cache=True, nogil=True)
def _offering(f, out, least, seeds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write the vertices that raise a neighbour above ``least``, each once; return their number."""
    h, w = f.shape
    count, is_seed = 0, np.zeros((h, w), np.bool_)
    for i in range(h):
        if not _is_open(f, out, i, least):
            continue
        for j in range(w):
            if out[i, j] < f[i, j]:
                for k in range(max(i - 1, 0), min(i + 2, h)):
                    for m in range(max(j - 1, 0), min(j + 2, w)):
                        if (
                            out[k, m] > max(out[i, j], least)
                            and not is_seed[k, m]
                            and _bridge(f, k, m, i, j) > out[i, j]
                        ):
                            seeds[count], is_seed[k, m] = k * w + m, True
                            count += 1
    return count


@njit(cache=True, nogil=True)
def _is_open(f, out, i, least):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return True if a vertex of row i can be raised: it is below its value, and a neighbour above it and ``least``."""
    h, w = f.shape
    values, row, above, below, count = f[i], out[i], out[max(i - 1, 0)], out[min(i + 1, h - 1)], 0
    for j in range(w):
        before, after = max(j - 1, 0), min(j + 1, w - 1)
        most = max(max(above[before], above[j], above[after]), max(below[before], below[j], below[after]))
        count += (row[j] < values[j]) & (max(most, row[before], row[after]) > max(row[j], least))
    return count > 0
