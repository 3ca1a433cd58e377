"""Probability of the first place among methods on the same patients."""

import numpy as np
from numpy.typing import NDArray

from core.types import FloatArray


def probability_of_first(samples: NDArray[np.floating]) -> FloatArray:
    """Return each method's probability (K,...) of the first place, from values (R,K,...) on the same resamples.

    It is the share of resamples in which the method has the highest value; equal methods share a resample. An undefined
    value is never first; a resample without any value is left out.
    """
    ranked = np.where(np.isfinite(samples), samples, -np.inf)
    best = (ranked == ranked.max(1, keepdims=True)) & np.isfinite(samples)
    winners = best.sum(1, keepdims=True)
    share = np.divide(best, winners, out=np.zeros(best.shape), where=winners > 0)
    return share.sum(0) / np.maximum((winners > 0).sum(0), 1)
