"""Which methods differ in average rank, by Nemenyi's test, and a critical-difference diagram's data.

Nemenyi, "Distribution-free multiple comparisons", PhD thesis, Princeton 1963; Demšar, JMLR 7 (2006), section 3.2.2 and
figure 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import studentized_range

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
    q = studentized_range.ppf(1 - alpha, methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(methods * (methods + 1) / (6 * findings)))


def _runs(alike: NDArray[np.bool_]) -> list[slice]:
    """(K,K) which methods, best first, do not differ -> the largest runs of at least two such, none inside another."""
    ends = [int(np.flatnonzero(row)[-1]) + 1 for row in alike]
    new = np.diff(ends, prepend=0) > 0
    return [slice(start, end) for start, end in enumerate(ends) if new[start] and end - start > 1]
