"""A component tree by merging pixels along links, highest link first: the compiled half of ``components``.

Arrays only, so that numba compiles them once: ``level`` (H,W) int32 ranks of a map's values, pixels counted in raster
order. A link joins two neighbours at the lower of their levels. A link that is the lowest of a cycle joins nothing new:
of the two upright links of a 2×2 block the lower one is left out, and a diagonal is kept where both other corners lie
below it. What remains is little more than the rows themselves.
"""

import numpy as np
from numba import njit

HALVES, COUNT, FIRST = 4, 5, 6
"""Columns of ``facts`` behind the box x0 y0 x1 y1: half units of area, pixels, first pixel in raster order."""


@njit(cache=True, nogil=True)
def links(level, diagonal):  # type: ignore[no-untyped-def]
    """(E,2) pairs of pixels, highest link first; 8-connected with ``diagonal``, else 4-connected."""
    h, w = level.shape
    pairs, height = np.empty((3 * level.size, 2), np.int32), np.empty(3 * level.size, np.int32)
    count = 0
    for i in range(h):
        for j in range(w):
            p, own = i * w + j, level[i, j]
            if j > 0:
                pairs[count, 0], pairs[count, 1], height[count] = p - 1, p, min(own, level[i, j - 1])
                count += 1
            if i > 0:
                upright = min(own, level[i - 1, j])
                left = -1 if j == 0 else min(level[i, j - 1], level[i - 1, j - 1])
                right = -1 if j == w - 1 else min(level[i, j + 1], level[i - 1, j + 1])
                if upright > left and upright >= right:
                    pairs[count, 0], pairs[count, 1], height[count] = p - w, p, upright
                    count += 1
            if diagonal and i > 0 and j > 0:
                down, up = min(own, level[i - 1, j - 1]), min(level[i - 1, j], level[i, j - 1])
                if down > max(level[i - 1, j], level[i, j - 1]):
                    pairs[count, 0], pairs[count, 1], height[count] = p - w - 1, p, down
                    count += 1
                elif up > max(own, level[i - 1, j - 1]):
                    pairs[count, 0], pairs[count, 1], height[count] = p - w, p - 1, up
                    count += 1
    return _sorted(pairs[:count], height[:count], level.max() + 1)


@njit(cache=True, nogil=True)
def _sorted(pairs, height, levels):  # type: ignore[no-untyped-def]
    """The pairs by falling height: a counting sort."""
    place = np.zeros(levels + 1, np.int64)
    for value in height:
        place[levels - value] += 1
    place = np.cumsum(place)
    out = np.empty_like(pairs)
    for n in range(len(height)):
        at = place[levels - 1 - height[n]]
        out[at, 0], out[at, 1] = pairs[n, 0], pairs[n, 1]
        place[levels - 1 - height[n]] += 1
    return out


@njit(cache=True, nogil=True)
def root(up, n):  # type: ignore[no-untyped-def]
    """The last pixel on the way ``up`` from ``n``; the way is halved for the next one."""
    while up[n] != n:
        up[n] = up[up[n]]
        n = up[n]
    return n


@njit(cache=True, nogil=True)
def merge(level, pairs, half):  # type: ignore[no-untyped-def]
    """The tree of {level >= l} for all l: nodes in an order in which parents follow their children, the root last.

    ``half`` (H,W): what each pixel adds to the area. Gives (n,) level of each node, (n,) parent (the root's is itself),
    (n,7) facts of the whole component and (H·W,) node of each pixel.
    """
    w = level.shape[1]
    own, size, rank = level.ravel(), level.size, np.full(level.size, -1, np.int32)
    facts = np.empty((size, 7), np.int32)
    for p in range(size):
        x, y = p % w, p // w
        facts[p, 0], facts[p, 1], facts[p, 2], facts[p, 3] = x, y, x + 1, y + 1
        facts[p, HALVES], facts[p, COUNT], facts[p, FIRST] = half[y, x], 1, p
    sets, top, parent, same = np.arange(size), np.arange(size), np.arange(size), np.arange(size)
    order, count = np.empty(size, np.int64), 0
    for e in range(len(pairs)):
        a, b = root(sets, pairs[e, 0]), root(sets, pairs[e, 1])
        if a == b:
            continue
        if facts[top[a], COUNT] < facts[top[b], COUNT]:
            a, b = b, a
        low, high = top[a], top[b]
        if own[low] > own[high]:
            low, high = high, low
        if own[high] > own[low]:  # complete: whatever joins it from now on is lower
            parent[high], rank[high], order[count] = low, count, high
            count += 1
        else:
            same[high] = low
        _add(facts, high, low)
        sets[b], top[a] = a, low
    last = top[root(sets, 0)]
    rank[last], order[count] = count, last
    order = order[: count + 1]
    node, above = np.empty(size, np.int32), np.empty(count + 1, np.int32)
    for p in range(size):
        node[p] = rank[root(same, p)]
    for n in range(count + 1):
        above[n] = rank[root(same, parent[order[n]])]
    return own[order], above, facts[order], node


@njit(cache=True, nogil=True)
def _add(facts, part, whole):  # type: ignore[no-untyped-def]
    for k in (0, 1, FIRST):
        facts[whole, k] = min(facts[whole, k], facts[part, k])
    for k in (2, 3):
        facts[whole, k] = max(facts[whole, k], facts[part, k])
    for k in (HALVES, COUNT):
        facts[whole, k] += facts[part, k]
