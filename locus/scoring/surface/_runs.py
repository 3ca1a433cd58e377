"""Components of a surface from the runs of its rows, compiled.

All arguments are arrays, so that numba compiles once: ``f`` (h,w) are values at rows ``y`` (h,) and columns ``x`` (w,)
of a frame ``height`` × ``width``, all float64 and in the frame. A run is a sequence of neighbours in a row above the
threshold. Runs of neighbouring rows are joined if they share a column, or across a patch whose saddle is above the
threshold. Along a grid line the surface falls to the threshold before the next vertex, so a component's edges are next
to its outermost rows and columns. One pass over the map per threshold is enough, and nothing is sorted.
"""

import numpy as np

from locus.core.compiled import compiled


@compiled
def boxes_of_runs(f, y, x, height, width, levels):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the boxes of all components at all levels, level by level.

    Args:
        f: (h,w) values.
        y: (h,) rows of the values in the frame.
        x: (w,) columns of the values in the frame.
        height: height of the frame in pixels.
        width: width of the frame in pixels.
        levels: (T,) thresholds.

    Returns:
        Boxes (M,4) xyxy, their level indices (M,) and peaks (M,).
    """
    h, w = f.shape
    size = h * ((w + 1) // 2)
    begin, end, parent, peak = np.empty((4, size), np.int32)
    edges = np.empty((size, 4), np.int32)
    rows = np.zeros(h + 1, np.int64)
    first, stop = _extents(f, levels)
    out = np.empty((levels.size * size, 4))
    index = np.empty(levels.size * size, np.int64)
    highest = np.empty(levels.size * size, np.int64)
    count = 0
    for n in range(levels.size):
        _find(f, levels[n], first, stop, begin, end, parent, peak, rows)
        for i in range(1, h):
            _join(f, i, levels[n], begin, end, parent, rows)
        _outermost(f, begin, end, parent, peak, rows, edges)
        offset = count
        for k in range(rows[h]):
            if parent[k] == k:
                index[count] = n
                highest[count] = peak[k]
                out[count, 0] = width
                out[count, 1] = height
                out[count, 2] = 0.0
                out[count, 3] = 0.0
                peak[k] = count - offset  # from here on the index of its box
                count += 1
        for i in range(h):
            for k in range(rows[i], rows[i + 1]):
                root = parent[k]
                _grow(
                    f,
                    y,
                    x,
                    height,
                    width,
                    levels[n],
                    i,
                    begin[k],
                    end[k],
                    edges[root],
                    out[offset + peak[root]],
                )
    return out[:count].copy(), index[:count].copy(), highest[:count].copy()


@compiled
def _extents(f, levels):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the first column of each row above any of the levels, and the one after the last; 0 and 0 without any."""
    h, w = f.shape
    lowest = np.inf
    for level in levels:
        lowest = min(lowest, level)
    first = np.zeros(h, np.int64)
    stop = np.zeros(h, np.int64)
    for i in range(h):
        end = w
        while end > 0 and not f[i, end - 1] > lowest:
            end -= 1
        begin = 0
        while begin < end and not f[i, begin] > lowest:
            begin += 1
        first[i] = begin
        stop[i] = end
    return first, stop


@compiled
def _find(f, t, first, stop, begin, end, parent, peak, rows):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write the runs above t, row by row, each as a separate component; ``rows[i]`` is the first of row i.

    Only the columns from ``first[i]`` to before ``stop[i]`` can be above t.
    """
    h, w = f.shape
    count = 0
    for i in range(h):
        rows[i] = count
        inside = False
        for j in range(first[i], stop[i]):
            if f[i, j] > t:
                if not inside:
                    begin[count] = j
                    parent[count] = count
                    peak[count] = i * w + j
                    inside = True
                    high = f[i, j]
                elif f[i, j] > high:
                    peak[count] = i * w + j
                    high = f[i, j]
            elif inside:
                end[count] = j
                inside = False
                count += 1
        if inside:
            end[count] = stop[i]
            count += 1
    rows[h] = count


@compiled
def _join(f, i, t, begin, end, parent, rows):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Join the runs of row i with those of the row above."""
    a = rows[i - 1]
    b = rows[i]
    while a < rows[i] and b < rows[i + 1]:
        if begin[a] < end[b] and begin[b] < end[a]:
            _union(parent, a, b)
        elif end[a] == begin[b]:
            _across(f, i, end[a] - 1, begin[b], t, parent, a, b)
        elif end[b] == begin[a]:
            _across(f, i, begin[a], end[b] - 1, t, parent, a, b)
        a, b = a + (end[a] <= end[b]), b + (end[b] <= end[a])


@compiled
def _across(f, i, upper, lower, t, parent, a, b):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Join opposite corners, columns ``upper`` of row i - 1 and ``lower`` of row i, if the saddle is above t."""
    above = (f[i - 1, upper] - t) * (f[i, lower] - t)
    below = (f[i - 1, lower] - t) * (f[i, upper] - t)
    if above > below:  # the saddle without a division
        _union(parent, a, b)


@compiled
def _union(parent, a, b):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Merge two runs into one component, named after its first run."""
    a = _root(parent, a)
    b = _root(parent, b)
    parent[max(a, b)] = min(a, b)


@compiled
def _root(parent, k):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    while parent[k] != k:
        parent[k] = parent[parent[k]]
        k = parent[k]
    return k


@compiled
def _outermost(f, begin, end, parent, peak, rows, edges):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write each component's outermost columns and rows, left, top, right, bottom, and the first of its peaks."""
    flat = f.ravel()
    for i in range(f.shape[0]):
        for k in range(rows[i], rows[i + 1]):
            root = _root(parent, k)
            parent[k] = root
            if root == k:
                edges[k, 0] = begin[k]
                edges[k, 1] = i
                edges[k, 2] = end[k] - 1
                edges[k, 3] = i
            else:
                edges[root, 0] = min(edges[root, 0], begin[k])
                edges[root, 2] = max(edges[root, 2], end[k] - 1)
                edges[root, 3] = i
                if flat[peak[k]] > flat[peak[root]]:
                    peak[root] = peak[k]


@compiled
def _grow(f, y, x, height, width, t, i, begin, end, edges, box):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Grow a box by a run of row i: to where the surface falls to t, or to the frame's edge."""
    h, w = f.shape
    last = end - 1
    if begin == edges[0]:
        left = 0.0
        if begin > 0:
            left = _crossing(t, f[i, begin], f[i, begin - 1], x[begin], x[begin - 1])
        box[0] = min(box[0], left)
    if last == edges[2]:
        right = width
        if last < w - 1:
            right = _crossing(t, f[i, last], f[i, last + 1], x[last], x[last + 1])
        box[2] = max(box[2], right)
    if i == edges[1]:
        for j in range(begin, end):
            top = 0.0
            if i > 0:
                top = _crossing(t, f[i, j], f[i - 1, j], y[i], y[i - 1])
            box[1] = min(box[1], top)
    if i == edges[3]:
        for j in range(begin, end):
            bottom = height
            if i < h - 1:
                bottom = _crossing(t, f[i, j], f[i + 1, j], y[i], y[i + 1])
            box[3] = max(box[3], bottom)


@compiled
def _crossing(t, inner, outer, inner_position, outer_position):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return where the surface falls to t between two neighbours on a grid line, of which the inner one is above t."""
    return inner_position + (inner - t) / (inner - outer) * (outer_position - inner_position)
