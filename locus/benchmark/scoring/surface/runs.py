"""Compiled code for one surface: its components, from the runs of its rows, and Otsu's threshold (``otsu``).

All arguments of the components are arrays, so that numba compiles once: ``f`` (h,w) are values at rows ``y`` (h,) and
columns ``x`` (w,) of a frame ``height`` × ``width``, all float64 and in the frame. A run is a sequence of neighbours in
a row above the threshold. Runs of neighbouring rows are joined if they share a column, or across a patch whose saddle
is above the threshold. Along a grid line the surface falls to the threshold before the next vertex, so a component's
edges are next to its outermost rows and columns. One pass over the map per threshold is enough, and nothing is sorted.
"""

import numpy as np
from numba import njit

from locus.benchmark.scoring.surface.bilinear import Surface, whole_weights


@njit(cache=True, nogil=True)
def boxes_of_runs(f, y, x, height, width, levels):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Return the boxes (M,4) of all components, level by level, their level indices (M,) and peaks (M,).

    ``f`` (h,w) are values at rows ``y`` (h,) and columns ``x`` (w,) of a frame ``height`` × ``width``, all float64 and
    in the frame. All arguments are arrays or numbers, so that numba compiles once.

    A run is a sequence of neighbours in a row above the threshold. Runs of neighbouring rows are joined if they share a
    column, or across a patch whose saddle is above the threshold. Along a grid line the surface falls to the threshold
    before the next vertex, so a component's edges are next to its outermost rows and columns. One pass over the map per
    threshold is enough, and nothing is sorted.
    """
    h, w = f.shape
    size = h * ((w + 1) // 2)
    begin, end, parent, peak = np.empty((4, size), np.int32)
    edges = np.empty((size, 4), np.int32)
    rows = np.zeros(h + 1, np.int64)
    out, index = np.empty((levels.size * size, 4)), np.empty(levels.size * size, np.int64)
    highest, count = np.empty(levels.size * size, np.int64), 0
    for n in range(levels.size):
        _find(f, levels[n], begin, end, parent, peak, rows)
        for i in range(1, h):
            _join(f, i, levels[n], begin, end, parent, rows)
        _outermost(f, begin, end, parent, peak, rows, edges)
        first = count
        for k in range(rows[h]):
            if parent[k] == k:
                index[count], highest[count] = n, peak[k]
                out[count, 0], out[count, 1], out[count, 2], out[count, 3] = width, height, 0.0, 0.0
                peak[k] = count - first  # from here on the index of its box
                count += 1
        for i in range(h):
            for k in range(rows[i], rows[i + 1]):
                root = parent[k]
                _grow(f, y, x, height, width, levels[n], i, begin[k], end[k], edges[root], out[first + peak[root]])
    return out[:count].copy(), index[:count].copy(), highest[:count].copy()


@njit(cache=True, nogil=True)
def _find(f, t, begin, end, parent, peak, rows):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write the runs above t, row by row, each as a separate component; ``rows[i]`` is the first of row i."""
    h, w = f.shape
    count = 0
    for i in range(h):
        rows[i] = count
        inside = False
        for j in range(w):
            if f[i, j] > t:
                if not inside:
                    begin[count], parent[count], peak[count], inside = j, count, i * w + j, True
                    high = f[i, j]
                elif f[i, j] > high:
                    peak[count], high = i * w + j, f[i, j]
            elif inside:
                end[count], inside = j, False
                count += 1
        if inside:
            end[count] = w
            count += 1
    rows[h] = count


@njit(cache=True, nogil=True)
def _join(f, i, t, begin, end, parent, rows):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Join the runs of row i with those of the row above."""
    a, b = rows[i - 1], rows[i]
    while a < rows[i] and b < rows[i + 1]:
        if begin[a] < end[b] and begin[b] < end[a]:
            _union(parent, a, b)
        elif end[a] == begin[b]:
            _across(f, i, end[a] - 1, begin[b], t, parent, a, b)
        elif end[b] == begin[a]:
            _across(f, i, begin[a], end[b] - 1, t, parent, a, b)
        a, b = a + (end[a] <= end[b]), b + (end[b] <= end[a])


@njit(cache=True, nogil=True)
def _across(f, i, upper, lower, t, parent, a, b):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Join opposite corners, columns ``upper`` of row i - 1 and ``lower`` of row i, if the saddle is above t."""
    above, below = (f[i - 1, upper] - t) * (f[i, lower] - t), (f[i - 1, lower] - t) * (f[i, upper] - t)
    if above > below:  # the saddle without a division
        _union(parent, a, b)


@njit(cache=True, nogil=True)
def _union(parent, a, b):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Merge two runs into one component, named after its first run."""
    a, b = _root(parent, a), _root(parent, b)
    parent[max(a, b)] = min(a, b)


@njit(cache=True, nogil=True)
def _root(parent, k):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    while parent[k] != k:
        parent[k] = parent[parent[k]]
        k = parent[k]
    return k


@njit(cache=True, nogil=True)
def _outermost(f, begin, end, parent, peak, rows, edges):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write each component's outermost columns and rows, left, top, right, bottom, and the first of its peaks."""
    flat = f.ravel()
    for i in range(f.shape[0]):
        for k in range(rows[i], rows[i + 1]):
            root = _root(parent, k)
            parent[k] = root
            if root == k:
                edges[k, 0], edges[k, 1], edges[k, 2], edges[k, 3] = begin[k], i, end[k] - 1, i
            else:
                edges[root, 0] = min(edges[root, 0], begin[k])
                edges[root, 2] = max(edges[root, 2], end[k] - 1)
                edges[root, 3] = i
                if flat[peak[k]] > flat[peak[root]]:
                    peak[root] = peak[k]


@njit(cache=True, nogil=True)
def _grow(f, y, x, height, width, t, i, begin, end, edges, box):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Grow a box by a run of row i: to where the surface falls to t, or to the frame's edge."""
    h, w = f.shape
    if begin == edges[0]:
        here, j = f[i, begin], begin
        box[0] = min(box[0], x[j] - (here - t) / (here - f[i, j - 1]) * (x[j] - x[j - 1]) if j > 0 else 0.0)
    if end - 1 == edges[2]:
        here, j = f[i, end - 1], end - 1
        box[2] = max(box[2], x[j] + (here - t) / (here - f[i, j + 1]) * (x[j + 1] - x[j]) if j < w - 1 else width)
    if i == edges[1]:
        for j in range(begin, end):
            here = f[i, j]
            box[1] = min(box[1], y[i] - (here - t) / (here - f[i - 1, j]) * (y[i] - y[i - 1]) if i > 0 else 0.0)
    if i == edges[3]:
        for j in range(begin, end):
            here = f[i, j]
            box[3] = max(box[3], y[i] + (here - t) / (here - f[i + 1, j]) * (y[i + 1] - y[i]) if i < h - 1 else height)


BUCKETED_ABOVE, BUCKETS = 2**14, 2**12


def otsu(heat: Surface) -> float:
    """Return Otsu's threshold in the unit of the map; the only value of a flat surface.

    Otsu, "A threshold selection method from grey-level histograms", IEEE Trans. SMC 9 (1979), equation 18: the split
    with the largest variance between the classes, w0·w1·(m1 - m0)², where w are their weights and m their means. There
    is no histogram: the values at the vertices are weighted as in the surface's integral over the frame, so that a
    vertex at the edge counts for the whole area it covers. All splits between distinct values are tried; the threshold
    is the middle of the best gap, the lowest on ties.

    >>> from locus.benchmark.scoring.surface import surface
    >>> otsu(surface([[0, 1, 7, 9]], (10, 40), "conventional"))
    4.0
    """
    height, width = heat.frame
    rows, columns = whole_weights(heat.y, height), whole_weights(heat.x, width)
    if heat.values.size > BUCKETED_ABOVE:
        values, weights = _reduced(heat.values, rows[0], columns[0], *heat.span)
    else:
        values, weights = heat.values.ravel(), (rows.T * columns).ravel()
    order = np.argsort(values, kind="stable")
    return float(_split(values[order], weights[order]))


@njit(cache=True, nogil=True)
def _split(values, weights):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the best threshold of ascending values (n,) with weights (n,)."""
    whole, total = weights.sum(), (weights * values).sum()
    below, sum_below, best, at = 0.0, 0.0, 0.0, values[0]
    for i in range(values.size - 1):
        below += weights[i]
        sum_below += weights[i] * values[i]
        above = whole - below
        if values[i + 1] > values[i] and below > 0 and above > 0:
            between = below * above * ((total - sum_below) / above - sum_below / below) ** 2
            if between > best * (1 + 1e-12):  # ignore rounding between equal splits
                best, at = between, (values[i] + values[i + 1]) / 2
    return at


@njit(cache=True, nogil=True)
def _reduced(values, rows, columns, low, high):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return fewer values and weights (m,) with the same best split: two values for a bucket that cannot contain it.

    So a large map is not sorted completely: its values are put into buckets, the splits between buckets are tried, and
    a bucket is searched only if a bound allows a better split inside it.
    """
    scale = (BUCKETS - 1) / (high - low) if high > low else 0.0
    weight, total, size = np.zeros(BUCKETS), np.zeros(BUCKETS), np.zeros(BUCKETS, np.int64)
    least, most = np.full(BUCKETS, np.inf), np.full(BUCKETS, -np.inf)
    for i in range(rows.size):
        for j in range(columns.size):
            value, share = values[i, j], rows[i] * columns[j]
            k = int((value - low) * scale)
            weight[k] += share
            total[k] += share * value
            least[k], most[k] = min(least[k], value), max(most[k], value)
            size[k] += 1
    searched = _may_hold_the_best(weight, total, least, most, weight.sum(), total.sum())
    out, count = np.empty((2, 2 * BUCKETS + (searched * size).sum())), 0
    for i in range(rows.size if searched.any() else 0):
        for j in range(columns.size):
            if searched[int((values[i, j] - low) * scale)]:
                out[0, count], out[1, count] = values[i, j], rows[i] * columns[j]
                count += 1
    for k in range(BUCKETS):
        if weight[k] > 0 and not searched[k]:  # two values with the bucket's weight and sum
            part = (total[k] - weight[k] * least[k]) / (most[k] - least[k]) if most[k] > least[k] else 0.0
            for value, share in ((least[k], weight[k] - part), (most[k], part)):
                out[0, count], out[1, count] = value, share
                count += 1
    return out[0, :count], out[1, :count]


@njit(cache=True, nogil=True)
def _may_hold_the_best(weight, total, least, most, whole, everything):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return a mask (BUCKETS,) of the buckets in which a split can be as good as the best one between buckets.

    With weight w and sum s below a split, and W and T of all values, the variance between the classes is
    (T·w - W·s)² / (w·(W - w)); inside a bucket s grows at least by its lowest value.
    """
    w, s, best = 0.0, 0.0, 0.0
    for k in range(weight.size):
        w, s = w + weight[k], s + total[k]
        if 0 < w < whole:
            best = max(best, (everything * w - whole * s) ** 2 / (w * (whole - w)))
    out = np.zeros(weight.size, np.bool_)
    w, s = 0.0, 0.0
    for k in range(weight.size):
        after = w + weight[k]
        if most[k] > least[k]:
            if w <= 0:
                bound = (everything - whole * least[k]) ** 2 * after / max(whole - after, 1e-300)
            elif after >= whole:
                bound = (whole * most[k] - everything) ** 2 * (whole - w) / w
            else:
                top = max(everything * w - whole * s, everything * after - whole * (s + weight[k] * least[k]))
                bound = top**2 / min(w * (whole - w), after * (whole - after))
            out[k] = bound >= best * (1 - 1e-9)
        w, s = after, s + total[k]
    return out
