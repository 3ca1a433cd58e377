"""Otsu's threshold of a surface: the one that parts its values into the two most distinct classes.

Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. SMC 9 (1979), equation 18: the split with
the largest variance between the classes, w0·w1·(m1 - m0)², their weights w and means m. The values are those of the
vertices, no histogram's; each weighs as much as in the surface's integral over the frame, so a vertex at the edge that
spreads outwards counts for all it covers. All splits between distinct values are tried; the threshold is the middle of
the best one's gap, the lowest of equal ones.
"""

import numpy as np
from numba import njit

from benchmark.surface import linear
from benchmark.surface.bilinear import Surface


def otsu(on: Surface) -> float:
    """The threshold, in the unit of the map; of a flat surface its one value.

    >>> from benchmark.surface import surface
    >>> otsu(surface([[0, 1, 7, 9]], (10, 40), "conventional"))
    4.0
    """
    height, width = on.frame
    weights = linear.whole(on.y, height).T * linear.whole(on.x, width)
    order = np.argsort(on.values, axis=None)
    return float(_split(on.values.ravel()[order], weights.ravel()[order]))


@njit(cache=True, nogil=True)
def _split(values, weights):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """(n,) ascending values and their weights -> the best threshold."""
    whole, total = weights.sum(), (weights * values).sum()
    below, sum_below, best, at = 0.0, 0.0, 0.0, values[0]
    for i in range(values.size - 1):
        below += weights[i]
        sum_below += weights[i] * values[i]
        above = whole - below
        if values[i + 1] > values[i] and below > 0 and above > 0:
            between = below * above * ((total - sum_below) / above - sum_below / below) ** 2
            if between > best * (1 + 1e-12):  # rounding does not choose between equal splits
                best, at = between, (values[i] + values[i + 1]) / 2
    return at
