"""How large the components of a surface are: the area of {surface > t} in closed form, patch by patch.

Inside a bilinear patch the boundary of {f > t} is a hyperbola, so the area under it is a logarithm. With a, b, c, d the
corners' heights above t (row by row), two shapes are all there is; everything else is their complement or their sum.

- A *corner*: a > 0, b and c not, and its branch does not reach d. It cuts the edges at U = a/(a-b) and V = a/(a-c), and
  its area is U·V·psi(x) with x = -a·(a-b-c+d) / ((a-b)(a-c)); psi(0) = 1/2, a triangle.
- A *band*: a and b > 0, c and d not: (a·psi(x) + b·chi(x)) / (a-c) with x = (b-d)/(a-c) - 1.

psi(x) = ((1+x)·ln(1+x) - x) / x² and chi(x) = (x - ln(1+x)) / x² are smooth at 0. Derived here by integrating the Möbius
function of the boundary.
"""

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from benchmark.surface.bilinear import Surface, as_levels
from core.types import FloatArray
from tests.oracles.flooding import flood


def peak_areas(on: Surface, thresholds: ArrayLike) -> FloatArray:
    """(T,) thresholds -> (T,) area of the component that holds the highest vertex, in squared frame pixels; 0 where nothing is above.

    Aligned with ``tests.oracles.flooding.peak_boxes``. A flat surface has no component.
    """
    levels = as_levels(thresholds)
    out = np.zeros(len(levels))
    if not on.flat:
        areas, index = _areas(on.values, on.y, on.x, *on.frame, levels, np.array([on.values.argmax()]))
        out[index] = areas
    return out


def all_areas(on: Surface, thresholds: ArrayLike) -> tuple[FloatArray, NDArray[np.int64]]:
    """(T,) thresholds -> (M,) areas of all components in squared frame pixels, and (M,) which threshold each belongs to.

    In the order of ``benchmark.surface.all_boxes``. A ring's hole is no part of it. A flat surface has no component.
    """
    levels = as_levels(thresholds)
    return _areas(on.values, on.y, on.x, *on.frame, levels, _starts(on, levels))


def _starts(on: Surface, levels: FloatArray) -> NDArray[np.int64]:
    """(V,) the vertices above any of the (T,) levels, from the highest down; none of a flat surface."""
    above = np.flatnonzero(on.values > levels.min(initial=np.inf))
    order = above[np.argsort(-on.values.flat[above], kind="stable")]
    return order[:0] if on.flat else order


@njit(cache=True, nogil=True)
def _psi(x):  # type: ignore[no-untyped-def]
    if x <= -1:
        return 1.0
    if abs(x) > 0.1:
        return ((1 + x) * np.log1p(x) - x) / (x * x)
    total, power = 0.0, 1.0  # the closed form loses digits here
    for n in range(16):
        total += power / ((n + 1) * (n + 2))
        power *= -x
    return total


@njit(cache=True, nogil=True)
def _chi(x):  # type: ignore[no-untyped-def]
    if abs(x) > 0.1:
        return (x - np.log1p(x)) / (x * x)
    total, power = 0.0, 1.0
    for n in range(16):
        total += power / (n + 2)
        power *= -x
    return total


@njit(cache=True, nogil=True)
def _corner(a, b, c, d):  # type: ignore[no-untyped-def]
    across, down = a / (a - b), a / (a - c)
    return across * down * _psi(-across * ((a - b - c + d) / (a - c)))


@njit(cache=True, nogil=True)
def _band(a, b, c, d):  # type: ignore[no-untyped-def]
    x = (b - d) / (a - c) - 1
    return (a * _psi(x) + (b * _chi(x) if x > -1 else 0.0)) / (a - c)


@njit(cache=True, nogil=True)
def patch(a, b, c, d):  # type: ignore[no-untyped-def]
    """Share of a patch above 0 that is connected to its highest corner a > 0, and the share around the opposite d that is not."""
    if b > 0 and c > 0:
        return (1.0 if d > 0 else 1 - _corner(-d, -b, -c, -a)), 0.0
    if b > 0:
        return (1 - _corner(-c, -a, -d, -b) if d > 0 else _band(a, b, c, d)), 0.0
    if c > 0:
        return (1 - _corner(-b, -a, -d, -c) if d > 0 else _band(a, c, b, d)), 0.0
    if d > 0 and a * d > b * c:  # the saddle is above
        return 1 - _corner(-b, -a, -d, -c) - _corner(-c, -a, -d, -b), 0.0
    return _corner(a, b, c, d), (_corner(d, b, c, a) if d > 0 else 0.0)


@njit(cache=True, nogil=True)
def _areas(f, y, x, height, width, levels, order):  # type: ignore[no-untyped-def]
    """Areas of the components that hold a vertex of ``order`` at each level, and the level's number."""
    w = f.shape[1]
    out, index = np.zeros(levels.size * order.size), np.empty(levels.size * order.size, np.int64)
    seen, stack, box = np.full(f.size, -1, np.int64), np.empty(f.size, np.int64), np.empty(4)
    count = 0
    for n in range(levels.size):
        first = count
        for start in order:
            if f[start // w, start % w] > levels[n] and seen[start] < first:
                flood(f, y, x, height, width, levels[n], start, count, seen, stack, box)
                index[count] = n
                count += 1
        if count > first:
            _add(f, y, x, height, width, levels[n], seen, first, out)
    return out[:count].copy(), index[:count].copy()


@njit(cache=True, nogil=True)
def _add(f, y, x, height, width, t, seen, first, out):  # type: ignore[no-untyped-def]
    """Add each patch's area above ``t`` to the components in ``out`` whose numbers, from ``first`` on, its vertices bear in ``seen``.

    Patches between the outermost vertices and the frame's edges repeat the outermost.
    """
    h, w = f.shape
    for i in range(-1, h):
        high, low = max(i, 0), min(i + 1, h - 1)
        tall = (y[i + 1] if i + 1 < h else height) - (y[i] if i >= 0 else 0.0)
        for j in range(-1, w):
            left, right = max(j, 0), min(j + 1, w - 1)
            wide = (x[j + 1] if j + 1 < w else width) - (x[j] if j >= 0 else 0.0)
            k, m = high, left  # the highest corner, wherever it is, takes the formula's first place
            for row, column in ((high, right), (low, left), (low, right)):
                if f[row, column] > f[k, m]:
                    k, m = row, column
            if f[k, m] > t:
                o, p = high + low - k, left + right - m
                own, other = patch(f[k, m] - t, f[k, p] - t, f[o, m] - t, f[o, p] - t)
                if seen[k * w + m] >= first:
                    out[seen[k * w + m]] += tall * wide * own
                if other > 0 and seen[o * w + p] >= first:
                    out[seen[o * w + p]] += tall * wide * other
