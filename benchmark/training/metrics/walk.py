"""One walk down the sorted scores: AUROC and average precision, exactly, of many resamples of the patients."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from benchmark.statistics.bootstrap import Counts
from core.types import FloatArray

Bools = NDArray[np.bool_]


def descending(values: FloatArray, positive: Bools) -> tuple[NDArray[np.intp], Bools, Bools]:
    """(n,) scores and truth -> (n,) the walk's order, its truth, and where a run of equals with a positive in it ends.

    From the highest score down, positives first among equals.
    """
    order = np.lexsort((~positive, -values))
    ordered, truth = values[order], positive[order]
    last = np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)]
    run = np.cumsum(last) - last  # (n,) number of the run of equals
    return order, truth, last & (np.bincount(run, truth, minlength=1)[run] > 0)


@njit(cache=True, nogil=True, error_model="numpy")
def areas(patient: NDArray[np.intp], positive: Bools, closes: Bools, times: Counts) -> FloatArray:
    """(n,) patient, truth and end of a run of equals along a walk, (P,b) counts -> (b,2) AUROC and AP of each resample.

    A pair of equals counts half. AP is the sum over thresholds of the gain in recall times the precision.
    """
    width = times.shape[1]
    true, false, before = np.zeros(width), np.zeros(width), np.zeros(width)
    pairs, gained = np.zeros(width), np.zeros(width)
    for i in range(len(patient)):
        row = times[patient[i]]
        if positive[i]:
            for r in range(width):
                true[r] += row[r]
        else:
            for r in range(width):
                pairs[r] += row[r] * (before[r] + true[r])
                false[r] += row[r]
        if closes[i]:
            for r in range(width):
                gained[r] += (true[r] - before[r]) * true[r] / max(true[r] + false[r], 1.0)
                before[r] = true[r]
    scores = np.full((width, 2), np.nan)
    for r in range(width):
        if true[r] > 0 and false[r] > 0:
            scores[r, 0], scores[r, 1] = pairs[r] / (2 * true[r] * false[r]), gained[r] / true[r]
    return scores
