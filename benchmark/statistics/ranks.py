"""Methods against each other over all findings: ranks, and how sure the first place is.

Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7 (2006), section 3.2; our data sets are
the findings. Higher is better: give minus the value of a metric that counts errors.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from core.errors import BadValueError
from core.types import FloatArray


def ranks(values: ArrayLike) -> FloatArray:
    """(K,...) values of K methods -> (K,...) ranks along the first axis, 1 for the highest; equals share their mean.

    >>> ranks([0.9, 0.5, 0.9, 0.1]).tolist()
    [1.5, 3.0, 1.5, 4.0]
    """
    v = np.asarray(values, dtype=np.float64)
    higher, equal = (v[:, None] < v).sum(1), (v[:, None] == v).sum(1)
    return np.asarray(higher + (equal + 1) / 2)


def complete(values: ArrayLike) -> FloatArray:
    """(K,F) values -> (K,F') of the findings in which every method has one: ranks of fewer methods are not comparable.

    Raises ``BadValueError`` for fewer than two methods or two findings.
    """
    v = np.asarray(values, dtype=np.float64)
    kept: FloatArray = v[:, np.isfinite(v).all(0)]
    if min(kept.shape) < 2:
        raise BadValueError(
            f"cannot rank {len(v)} methods on {kept.shape[1]} findings that all of them have: give two of each at least"
        )
    return kept


def average_ranks(values: ArrayLike) -> FloatArray:
    """(K,F) values of K methods in F findings -> (K,) mean rank, 1 is best; a finding that one lacks is left out."""
    return ranks(complete(values)).mean(1)


def friedman(values: ArrayLike) -> tuple[float, float]:
    """(K,F) values -> Friedman's chi-square, corrected for ties, and the p that all K methods are alike.

    chi² = 12F/(K(K+1)) · Σ(mean rank − (K+1)/2)² / (1 − Σ(t³ − t)/(F(K³ − K))), t the sizes of ties, K − 1 degrees of
    freedom. Where every method ties everywhere: 0 and 1. Written out, for SciPy's wants three methods.
    Friedman, JASA 32 (1937); Demšar 2006, section 3.2.2.

    >>> friedman([[3, 3, 3, 3], [2, 2, 2, 2], [1, 1, 1, 1]])[0]
    8.0
    """
    r = ranks(complete(values))
    methods, findings = r.shape
    ties = (r[:, None] == r).sum(0)  # of how many: each of t methods adds t² − 1
    correction = 1 - (ties**2 - 1).sum() / (findings * (methods**3 - methods))
    if correction == 0:
        return 0.0, 1.0
    spread = ((r.mean(1) - (methods + 1) / 2) ** 2).sum()
    statistic = 12 * findings / (methods * (methods + 1)) * spread / correction
    return float(statistic), float(chdtrc(methods - 1, statistic))


def first(samples: NDArray[np.floating]) -> FloatArray:
    """(R,K,...) resampled values of K methods on the same patients -> (K,...) probability of being first.

    The share of resamples in which a method has the highest value, shared among equals; an undefined value is never
    first, and a resample without any is left out.
    """
    known = np.where(np.isfinite(samples), samples, -np.inf)
    best = (known == known.max(1, keepdims=True)) & np.isfinite(samples)
    winners = best.sum(1, keepdims=True)
    share = np.divide(best, winners, out=np.zeros(best.shape), where=winners > 0)
    return share.sum(0) / np.maximum((winners > 0).sum(0), 1)
