"""Thresholds from a list: cases tried at each of them, and the best one for some of the cases."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.thresholds.origins import DIGITS
from core.types import FloatArray


@dataclass(frozen=True, eq=False)
class SampledThresholds:
    """N cases at a list of T thresholds: a threshold is its index in the list. A ``ThresholdSelector``."""

    hits: NDArray[np.bool_]
    """(N,T)."""
    quality: FloatArray
    """(N,T) what decides between thresholds with equally many hits."""

    def best(self, subset: NDArray[np.int64]) -> float:
        """The index with most hits; ties by mean quality, then the lowest.

        >>> hits, quality = np.array([[0, 1, 1], [1, 1, 1]], bool), np.array([[.1, .4, .5], [.6, .4, .5]])
        >>> SampledThresholds(hits, quality).best(np.array([0, 1]))
        2.0
        """
        count = self.hits[subset].sum(0)
        return float(np.where(count == count.max(), self.quality[subset].mean(0).round(DIGITS), -np.inf).argmax())


def at_index(table: NDArray[np.generic], chosen: ArrayLike) -> FloatArray:
    """(N,T) values, (N,) indices in the list -> (N,) the value of each case at its own; nan where nobody could choose.

    >>> at_index(np.array([[1, 2], [3, 4]]), [1, np.nan]).tolist()
    [2.0, nan]
    """
    index = np.asarray(chosen, dtype=np.float64)
    chosen_cases = np.isfinite(index)
    values = table[np.arange(len(index)), np.where(chosen_cases, index, 0).astype(np.int64)]
    return np.where(chosen_cases, values, np.nan)
