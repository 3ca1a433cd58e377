"""How sure the first place is among methods on the same patients."""

import numpy as np
from numpy.typing import NDArray

from core.types import FloatArray


def probability_of_first(samples: NDArray[np.floating]) -> FloatArray:
    """(R,K,...) resampled values of K methods on the same patients -> (K,...) probability of being first.

    The share of resamples in which a method has the highest value, shared among equals; an undefined value is never
    first, and a resample without any is left out.
    """
    known = np.where(np.isfinite(samples), samples, -np.inf)
    best = (known == known.max(1, keepdims=True)) & np.isfinite(samples)
    winners = best.sum(1, keepdims=True)
    share = np.divide(best, winners, out=np.zeros(best.shape), where=winners > 0)
    return share.sum(0) / np.maximum((winners > 0).sum(0), 1)
