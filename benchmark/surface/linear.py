"""Linear interpolation along one axis: values and integrals of a surface are weighted sums of its vertices."""

import functools

import numpy as np
from numpy.typing import ArrayLike

from core.types import FloatArray


def between(knots: FloatArray, at: FloatArray) -> FloatArray:
    """(n,) ascending knots, (m,) points -> (m,n) weights of the knots' values, constant beyond the outermost knots.

    >>> between(np.array([0.0, 4.0]), np.array([1.0, 9.0])).tolist()
    [[0.75, 0.25], [0.0, 1.0]]
    """
    low = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, max(len(knots) - 2, 0))
    weights = np.zeros((len(at), len(knots)))
    if len(knots) == 1:
        return weights + 1
    part = np.clip((at - knots[low]) / (knots[low + 1] - knots[low]), 0, 1)
    weights[np.arange(len(at)), low] = 1 - part
    weights[np.arange(len(at)), low + 1] = part
    return weights


def integral(knots: FloatArray, edges: ArrayLike) -> FloatArray:
    """(n,) knots, (m+1,) edges, both ascending -> (m,n) weights of the knots' values in the integral between edges.

    The trapezoid rule is exact between knots.

    >>> integral(np.array([0.0, 4.0]), [0, 4, 5]).tolist()
    [[2.0, 2.0], [0.0, 1.0]]
    """
    ends = np.asarray(edges, dtype=np.float64)
    points = np.unique(np.concatenate([ends, knots[(knots > ends[0]) & (knots < ends[-1])]]))
    pieces = np.diff(points)[:, None] * between(knots, (points[1:] + points[:-1]) / 2)
    weights = np.zeros((len(ends) - 1, len(knots)))
    np.add.at(weights, np.searchsorted(ends, points[:-1], side="right") - 1, pieces)
    return weights


def whole(knots: FloatArray, side: int) -> FloatArray:
    """(n,) ascending knots -> (1,n) weights of their values in the integral from 0 to ``side``; remembered."""
    return _whole(knots.tobytes(), side)


@functools.lru_cache(maxsize=256)
def _whole(knots: bytes, side: int) -> FloatArray:
    return integral(np.frombuffer(knots), [0, side])
