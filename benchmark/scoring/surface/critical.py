"""The exact score thresholds at which the peak's box reaches a given IoU with the truth.

Inside a piece of a trace the box's edges are linear in the threshold. Pieces are cut where an edge passes an edge of
the truth. Then the areas of the overlap and of the box are products of two linear functions, so IoU > d, written as

    (1 + d) · overlap - d · area - d · truth > 0,

is a quadratic inequality whose roots are the critical thresholds. No grid or bisection is needed.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.scoring.surface.trace import Trace
from core.boxes import area, as_boxes
from core.types import FloatArray

EDGES = (0, 0, 2, 2, 1, 1, 3, 3)
PASSED = (0, 2, 0, 2, 1, 3, 1, 3)
"""Edges of the truth box that each of ``EDGES`` may pass."""
CLEAR = 1e-9
"""A piece whose IoU is further from the limit is not cut: rounding errors are smaller."""


def hit_intervals(traced: Trace, truth: ArrayLike, above: float) -> FloatArray:
    """Return the intervals (K,2) of thresholds at which the peak's box has IoU > ``above`` with any truth box (M,4).

    Intervals [low, high) are disjoint and ascending. At a low end that is a root, the IoU equals ``above``.

    >>> from benchmark.scoring.surface import surface
    >>> from benchmark.scoring.surface.trace import trace
    >>> spot = trace(surface([[0, 0, 0], [0, 1, 0], [0, 0, 0]], (30, 30), "conventional"))  # the square 15 ± 10·(1 - t)
    >>> hit_intervals(spot, [[10, 10, 20, 20]], .25).round(9).tolist()
    [[0.0, 0.75]]
    """
    return _union(np.concatenate([np.zeros((0, 2)), *(_intervals(traced, box, above) for box in as_boxes(truth))]))


def _intervals(traced: Trace, truth: FloatArray, above: float) -> FloatArray:
    """Return the intervals (K,2) for one truth box (4,); touching ones are not joined."""
    least, most = _bounds(traced, truth)
    hits = np.flatnonzero(least > above + CLEAR)
    whole = np.stack([traced.thresholds[hits], traced.thresholds[hits + 1]], 1)
    return np.concatenate([whole, _parts(traced, truth, above, (least <= above + CLEAR) & (most >= above - CLEAR))])


def _bounds(traced: Trace, truth: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return bounds (P,) of the smallest and largest IoU in each piece; the box shrinks as the threshold rises."""
    boxes = traced.start, traced.stop
    large, small = (_sides(np.maximum(b[:, :2], truth[:2]), np.minimum(b[:, 2:], truth[2:])).prod(1) for b in boxes)
    largest, smallest = (_sides(b[:, :2], b[:, 2:]).prod(1) + area(truth)[0] for b in boxes)
    return small / (largest - small), large / np.maximum(smallest - large, large)


def _parts(traced: Trace, truth: FloatArray, above: float, unsure: NDArray[np.bool_]) -> FloatArray:
    """Return the intervals (K,2) inside the ``unsure`` pieces (P,)."""
    piece, low, high = _cut(traced, truth, np.flatnonzero(unsure))
    move = traced.stop - traced.start
    boxes = [traced.start[piece] + part[:, None] * move[piece] for part in (low, high)]
    overlap = _product(*(_sides(np.maximum(b[:, :2], truth[:2]), np.minimum(b[:, 2:], truth[2:])) for b in boxes))
    box_area = _product(*(_sides(b[:, :2], b[:, 2:]) for b in boxes))
    excess = (1 + above) * overlap - above * box_area - np.array([above * area(truth)[0], 0, 0])[:, None]
    ends = np.sort(np.stack([np.zeros_like(low), *_roots(*excess), np.ones_like(low)]), 0)  # (4, n)
    middle = (ends[1:] + ends[:-1]) / 2
    part = low * (1 - ends) + high * ends
    at = traced.thresholds[piece] * (1 - part) + traced.thresholds[piece + 1] * part
    is_hit = (excess[0] + middle * (excess[1] + middle * excess[2]) > 0) & (at[1:] > at[:-1])  # (3, n)
    return np.stack([at[:-1][is_hit], at[1:][is_hit]], 1)


def _cut(
    traced: Trace, truth: FloatArray, pieces: NDArray[np.int64]
) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
    """Cut pieces where an edge of the box passes one of the truth: piece (n,), and start and end within it."""
    start, stop = traced.start[pieces], traced.stop[pieces]
    gap, move = truth[None, PASSED] - start[:, EDGES], (stop - start)[:, EDGES]
    cuts = np.clip(np.divide(gap, move, out=np.zeros_like(gap), where=move != 0), 0, 1)
    edge = np.zeros((len(cuts), 1))
    cuts = np.sort(np.concatenate([edge, cuts, edge + 1], 1), 1)
    piece, index = np.nonzero(np.diff(cuts, axis=1) > 0)
    return pieces[piece], cuts[piece, index], cuts[piece, index + 1]


def _sides(low: FloatArray, high: FloatArray) -> FloatArray:
    """Return width and height (n,2), 0 if empty."""
    return np.clip(high - low, 0, None)


def _product(first: FloatArray, last: FloatArray) -> FloatArray:
    """Return the coefficients (3,n) of the product of two linear sides, constant first."""
    (w, h), (dw, dh) = first.T, (last - first).T
    return np.array([w * h, w * dh + h * dw, dw * dh])


def _roots(c: FloatArray, b: FloatArray, a: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the roots of c + b·u + a·u² in [0,1]; 0 or 1 if there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        stable = -(b + np.copysign(np.sqrt(b * b - 4 * a * c), b)) / 2  # avoids cancellation; nan without a real root
        first, second = stable / a, c / stable
    return tuple(np.clip(np.nan_to_num(root), 0, 1) for root in (first, second))  # type: ignore[return-value]


def _union(intervals: FloatArray) -> FloatArray:
    """Return the union of intervals (K,2) as disjoint, ascending intervals; touching ones are joined."""
    if not len(intervals):
        return intervals
    low, high = intervals[np.argsort(intervals[:, 0], kind="stable")].T
    reach = np.maximum.accumulate(high)
    new = np.concatenate([[True], low[1:] > reach[:-1]])
    return np.stack([low[new], reach[np.concatenate([new[1:], [True]])]], 1)
