"""Otsu's threshold of a surface, which splits its values into the two most distinct classes.

Otsu, "A threshold selection method from grey-level histograms", IEEE Trans. SMC 9 (1979), equation 18: the split with
the largest variance between the classes, w0·w1·(m1 - m0)², where w are their weights and m their means. There is no
histogram: the values at the vertices are weighted as in the surface's integral over the frame, so that a vertex at the
edge counts for the whole area it covers. All splits between distinct values are tried; the threshold is the middle of
the best gap, the lowest on ties.

A large map is not sorted completely. Its values are put into buckets, the splits between buckets are tried, and a
bucket is searched only if a bound allows a better split inside it. With weight w and sum s below a split, and W and T
of all values, the variance between the classes is (T·w - W·s)² / (w·(W - w)); inside a bucket s grows at least by its
lowest value.
"""

import numpy as np
from numba import njit

from locus.benchmark.scoring.surface.bilinear import Surface, whole_weights

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
