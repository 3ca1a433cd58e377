"""Methods against each other over all findings: ranks, how sure the first place is, and a critical-difference diagram.

Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7 (2006), section 3.2; our data sets are
the findings. Higher is better: give minus the value of a metric that counts errors. Which methods differ in average
rank, Nemenyi's test says: "Distribution-free multiple comparisons", PhD thesis, Princeton 1963; Demšar 2006, section
3.2.2 and figure 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, ndtr

from core.errors import BadValueError
from core.types import FloatArray

ALPHA = 0.05
"""The level of Nemenyi's test over all pairs: methods further apart than its critical difference differ."""


def ranks(values: ArrayLike) -> FloatArray:
    """(K,...) values of K methods -> (K,...) ranks along the first axis, 1 for the highest; equals share their mean.

    >>> ranks([0.9, 0.5, 0.9, 0.1]).tolist()
    [1.5, 3.0, 1.5, 4.0]
    """
    v = np.asarray(values, dtype=np.float64)
    higher, equal = (v[:, None] < v).sum(1), (v[:, None] == v).sum(1)
    return np.asarray(higher + (equal + 1) / 2)


def findings_of_all_methods(values: ArrayLike) -> FloatArray:
    """(K,F) values -> (K,F') of the findings in which every method has one: ranks of fewer methods are not comparable.

    Raises ``BadValueError`` for fewer than two methods or two findings.
    """
    v = np.asarray(values, dtype=np.float64)
    kept: FloatArray = v[:, np.isfinite(v).all(0)]
    if min(kept.shape) < 2:
        given = f"{len(v)} methods on {kept.shape[1]} findings that all of them have"
        raise BadValueError(f"cannot rank {given}: give two of each at least")
    return kept


def average_ranks(values: ArrayLike) -> FloatArray:
    """(K,F) values of K methods in F findings -> (K,) mean rank, 1 is best; a finding that one lacks is left out."""
    return ranks(findings_of_all_methods(values)).mean(1)


def friedman(values: ArrayLike) -> tuple[float, float]:
    """(K,F) values -> Friedman's chi-square, corrected for ties, and the p that all K methods are alike.

    chi² = 12F/(K(K+1)) · Σ(mean rank − (K+1)/2)² / (1 − Σ(t³ − t)/(F(K³ − K))), t the sizes of ties, K − 1 degrees of
    freedom. Where every method ties everywhere: 0 and 1. Written out, for SciPy's wants three methods.
    Friedman, JASA 32 (1937); Demšar 2006, section 3.2.2.

    >>> friedman([[3, 3, 3, 3], [2, 2, 2, 2], [1, 1, 1, 1]])[0]
    8.0
    """
    r = ranks(findings_of_all_methods(values))
    methods, findings = r.shape
    ties = (r[:, None] == r).sum(0)  # of how many: each of t methods adds t² − 1
    correction = 1 - (ties**2 - 1).sum() / (findings * (methods**3 - methods))
    if correction == 0:
        return 0.0, 1.0
    spread = ((r.mean(1) - (methods + 1) / 2) ** 2).sum()
    statistic = 12 * findings / (methods * (methods + 1)) * spread / correction
    return float(statistic), float(chdtrc(methods - 1, statistic))


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


@dataclass(frozen=True, eq=False)
class Diagram:
    """A critical-difference diagram, ready to be drawn: methods on a line of average ranks, bars over those alike."""

    methods: tuple[str, ...]
    """Best first."""
    ranks: FloatArray
    """(K,) their average ranks, ascending."""
    critical: float
    """How far apart average ranks must be to differ: what the picture's ruler shows of the same test."""
    groups: tuple[tuple[str, ...], ...]
    """Bars: the largest runs of methods none of which differs from another; no bar for one alone."""
    friedman: float
    """p of Friedman's test: above .05 the bars say nothing."""
    findings: int
    """How many findings the ranks are averaged over: those that every method has."""

    def worse(self, rank: int) -> list[str]:
        """The methods behind the one at ``rank`` that differ from it."""
        far = self.ranks[rank + 1 :] - self.ranks[rank] > self.critical
        return [method for method, differs in zip(self.methods[rank + 1 :], far, strict=True) if differs]


def diagram(values: ArrayLike, methods: Sequence[str]) -> Diagram:
    """(K,F) values of the ``methods`` in F findings, higher is better -> the diagram's data, equals in the given order.

    Raises ``BadValueError`` for fewer than two methods or findings.
    """
    kept, rank = findings_of_all_methods(values), average_ranks(values)
    order = np.argsort(rank, kind="stable")
    words, ascending = tuple(methods[i] for i in order), rank[order]
    critical = critical_difference(*kept.shape)
    groups = tuple(words[run] for run in _runs(np.abs(ascending - ascending[:, None]) <= critical))
    return Diagram(words, ascending, critical, groups, friedman(kept)[1], kept.shape[1])


def critical_difference(methods: int, findings: int, alpha: float = ALPHA) -> float:
    """q · sqrt(K(K+1)/(6F)), q the studentized range of K at infinite degrees of freedom, over √2 (Demšar's table 5).

    >>> round(critical_difference(4, 14, 0.10), 2)  # Demšar's example: 1.12
    1.12
    """
    return float(normal_range(1 - alpha, methods) * np.sqrt(methods * (methods + 1) / (12 * findings)))


def normal_range(share: float, count: int) -> float:
    """What the range of ``count`` standard normal numbers stays below in a ``share`` of draws, to 1e-9.

    The share below q is ∫ count φ(z) (Φ(z) − Φ(z − q))^(count − 1) dz, by trapezoids, which are exact here to rounding.
    SciPy's ``studentized_range`` is the same at infinite degrees of freedom; its import takes a second.

    >>> round(normal_range(0.95, 2), 3)  # √2 · 1.96
    2.772
    """
    z, step = np.linspace(-9, 9, 361, retstep=True)
    density, low, high = count * step * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi), 0.0, 20.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        below = density @ (ndtr(z) - ndtr(z - middle)) ** (count - 1)
        low, high = (middle, high) if below < share else (low, middle)
    return low


def _runs(alike: NDArray[np.bool_]) -> list[slice]:
    """(K,K) which methods, best first, do not differ -> the largest runs of at least two such, none inside another."""
    ends = [int(np.flatnonzero(row)[-1]) + 1 for row in alike]
    new = np.diff(ends, prepend=0) > 0
    return [slice(start, end) for start, end in enumerate(ends) if new[start] and end - start > 1]
