"""Which methods differ in average rank, by Nemenyi's test, and a critical-difference diagram's data.

Nemenyi, "Distribution-free multiple comparisons", PhD thesis, Princeton 1963; Demšar, JMLR 7 (2006), section 3.2.2 and
figure 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from benchmark.statistics.ranks import average_ranks, complete, friedman
from core.types import FloatArray

ALPHA = 0.05
"""The level of Nemenyi's test over all pairs: methods further apart than its critical difference differ."""


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
    kept, rank = complete(values), average_ranks(values)
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
