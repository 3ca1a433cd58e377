"""All components of a map over all thresholds at once, for maps that live on pixels: nothing is searched per threshold.

A component of {map > t} stays the same until t passes a value of its own, so there are at most as many as pixels. They
form a tree (8-connected); so do the components of the rest {map <= t} (4-connected), of which those that miss the border
are holes. Salembier et al., "Antiextensive connected operators", IEEE Transactions on Image Processing 7, 1998.

Public, for maps of floats and for whoever wants all components at once. No protocol scores from it: those that live on
pixels see 256 levels, where ``benchmark.pixels.contours`` is faster; each of the two is the other's oracle.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.surface import checked
from core.types import FloatArray
from tests.oracles import filling, merging

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Nodes:
    """n components, children before their parents: each one lives, unchanged, at every threshold t with low <= t < high."""

    low: FloatArray
    """(n,) -inf for the whole map below its minimum."""
    high: FloatArray
    """(n,)."""
    parent: Ints
    """(n,) the next larger component, which lives beyond this one's range; -1 without one."""
    boxes: Ints
    """(n,4) xyxy of the component's pixels, half-open, in pixels of the map."""
    pixels: Ints
    """(n,) its pixels, without its holes'."""
    first: Ints
    """(n,) its first pixel in raster order, counted from 0."""
    area: FloatArray
    """(n,) of the polygon that its outer contour draws through pixel centres, holes filled; of a hole's: see ``holes``."""


@dataclass(frozen=True, eq=False)
class Components:
    """The components of a map (H,W) and their holes."""

    outer: Nodes
    """The 8-connected components of {map > t}."""
    holes: Nodes
    """The 4-connected components of {map <= t} that miss the border. What surrounds one has an inner contour one pixel around
    it, whose box is the hole's box grown by one and whose polygon has the ``area``; the pixels, box and first pixel are the
    hole's own. A hole whose next larger one reaches the border has no parent."""
    node: Ints
    """(H,W) the smallest node of ``outer`` that holds the pixel."""


def components(values: ArrayLike) -> Components:
    """The tree of a map (H,W), of integers or floats. Raises ``BadValueError`` for another shape, nan or inf.

    As OpenCV's ``findContours``, ``boundingRect`` and ``contourArea`` would give at every threshold, in O(n log n).

    >>> ring = components([[1, 1, 1], [1, 0, 1], [1, 1, 1]])
    >>> ring.outer.boxes.tolist(), ring.outer.pixels.tolist(), ring.outer.area.tolist(), ring.outer.low.tolist()
    ([[0, 0, 3, 3], [0, 0, 3, 3]], [8, 9], [4.0, 4.0], [0.0, -inf])
    >>> ring.holes.boxes.tolist(), ring.holes.area.tolist()
    ([[1, 1, 2, 2]], [2.0])
    """
    level, steps = _ranked(np.asarray(values))
    half, negative = filling.halves(level), len(steps) - 1 - level
    outer = _tree(level, half, diagonal=True)
    rest = _tree(negative, half, diagonal=False)
    facts = np.concatenate([outer[2], rest[2]])
    height, width = level.shape
    inside = (facts[:, :2] > 0).all(1) & (facts[:, 2] < width) & (facts[:, 3] < height)
    size = (facts[:, 2] - facts[:, 0]) * (facts[:, 3] - facts[:, 1])
    filled = filling.fill(np.argsort(size, kind="stable"), len(steps), width, outer, rest, inside)
    n = len(outer[0])
    below, above = np.append(steps, -np.inf), np.append(np.inf, steps[::-1])  # a missing parent's rank is -1
    whole = _nodes(outer, below[_parents(outer)], steps[outer[0]], filled[:n])
    off = _nodes(rest, steps[::-1][rest[0]], above[_parents(rest) + 1], filled[n:])
    return Components(whole, _kept(off, inside[n:]), outer[3].reshape(level.shape).astype(np.int64))


def _ranked(values: NDArray[np.generic]) -> tuple[NDArray[np.int32], FloatArray]:
    """(H,W) rank of each value, and (L,) the values in rising order; integers near each other keep their gaps."""
    array = checked(values)
    low, high = array.min(), array.max()
    if values.dtype.kind in "bui" and high - low < array.size + 256:
        return (array - low).astype(np.int32), np.arange(low, high + 1)
    steps, level = np.unique(array, return_inverse=True)
    return level.reshape(array.shape).astype(np.int32), steps


def _tree(level: NDArray[np.int32], half: NDArray[np.int32], diagonal: bool) -> filling.Tree:
    own, parent, facts, node = merging.merge(level, merging.links(level, diagonal), half)
    return own, parent, facts, node, filling.jumps(parent)


def _parents(tree: filling.Tree) -> NDArray[np.int32]:
    """(n,) level of each node's parent; the root's is -1."""
    level, parent = tree[:2]
    return np.append(level[parent[:-1]], np.int32(-1))


def _nodes(tree: filling.Tree, low: FloatArray, high: FloatArray, half: Ints) -> Nodes:
    parent = np.append(tree[1][:-1], -1).astype(np.int64)
    facts = tree[2].astype(np.int64)
    return Nodes(low, high, parent, facts[:, :4], facts[:, merging.COUNT], facts[:, merging.FIRST], half / 2)


def _kept(nodes: Nodes, keep: NDArray[np.bool_]) -> Nodes:
    """The nodes to ``keep``, numbered anew."""
    number = np.append(np.where(keep, np.cumsum(keep) - 1, -1), -1)
    boxes, pixels, first = (values[keep] for values in (nodes.boxes, nodes.pixels, nodes.first))
    return Nodes(nodes.low[keep], nodes.high[keep], number[nodes.parent[keep]], boxes, pixels, first, nodes.area[keep])
