"""What a component encloses, its holes and their islands included: the compiled half of ``components.Components``.

Area is handed to pixels: a 2×2 block of pixel centres has the area 1, one half goes to its lowest pixel, one to its second
lowest. The polygon through a component's centres covers a block wholly where all four lie in it, half where three do;
so the pixels' sum is its area without its holes, and the sum over the pixels of a hole (a 4-connected component of the
rest that misses the border) is the area that its inner contour encloses, without its islands. Outer and inner contours
then take turns: filled = own + filled holes, in the order of box sizes, since what is enclosed has the smaller box.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tests.oracles.merging import FIRST, HALVES

Ranks = NDArray[np.int32]
Tree = tuple[Ranks, Ranks, Ranks, Ranks, Ranks]
"""(n,) level, (n,) parent, (n,7) facts, (H·W,) node of each pixel, (n,) jump."""


@njit(cache=True, nogil=True)
def halves(level):  # type: ignore[no-untyped-def]
    """(H,W) levels -> (H,W) half units of area of each pixel: in how many blocks it is the lowest or the second lowest."""
    h, w = level.shape
    out = np.zeros((h, w), np.int32)
    for i in range(h - 1):
        for j in range(w - 1):
            left, right = level[i, j] > level[i + 1, j], level[i, j + 1] > level[i + 1, j + 1]  # whether the lower row is lower
            low_left, low_right = level[i + left, j], level[i + right, j + 1]
            if low_left <= low_right:
                out[i + left, j] += 1
                second = level[i + 1 - left, j] <= low_right
                out[i + (1 - left if second else right), j + 1 - second] += 1
            else:
                out[i + right, j + 1] += 1
                second = level[i + 1 - right, j + 1] <= low_left
                out[i + (1 - right if second else left), j + second] += 1
    return out


@njit(cache=True, nogil=True)
def jumps(parent):  # type: ignore[no-untyped-def]
    """(n,) parents, behind their children -> (n,) a far ancestor of each node, so that any is reached in O(log n) steps.

    Myers, "An applicative random-access stack", Information Processing Letters 17, 1983.
    """
    n = len(parent)
    depth, jump = np.zeros(n, np.int32), np.full(n, n - 1, np.int32)
    for k in range(n - 2, -1, -1):
        up = parent[k]
        depth[k] = depth[up] + 1
        even = depth[up] - depth[jump[up]] == depth[jump[up]] - depth[jump[jump[up]]]
        jump[k] = jump[jump[up]] if even else up
    return jump


@njit(cache=True, nogil=True)
def climb(level, parent, jump, n, bound):  # type: ignore[no-untyped-def]
    """The last of ``n`` and its ancestors whose level is at least ``bound``."""
    while parent[n] != n and level[parent[n]] >= bound:
        n = jump[n] if level[jump[n]] >= bound else parent[n]
    return n


@njit(cache=True, nogil=True)
def fill(order, levels, width, tree, other, inside):  # type: ignore[no-untyped-def]
    """Filled half areas of the nodes of two trees, of the map and of its negative, numbered one after the other.

    ``levels``: how many there are; ``order``: all nodes by rising box size, children before parents;
    ``inside``: whether a node may lie in one of the other tree. A node adds to those that enclose it while both live: from
    the first such node to the last, which is where the sum up the other tree stops.
    """
    n = len(tree[0])
    filled, enclosed = np.zeros(len(order), np.int64), np.zeros(len(order), np.int64)
    for k in order:
        start = 0 if k < n else n
        level, parent, facts, _, _ = tree if k < n else other
        level2, parent2, _, node2, jump2 = other if k < n else tree
        own, start2 = k - start, n - start
        filled[k] = facts[own, HALVES] + enclosed[k]
        up = parent[own]
        if up == own:
            continue
        enclosed[start + up] += enclosed[k]
        if inside[k]:
            above = node2[facts[own, FIRST] - width]  # the pixel over the first one lies in what surrounds the node
            first = climb(level2, parent2, jump2, above, levels - 1 - level[up])
            last = climb(level2, parent2, jump2, first, levels - 1 - level[own])
            enclosed[start2 + first] += filled[k]
            enclosed[start2 + last] -= filled[k]
    return filled
