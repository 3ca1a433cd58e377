"""Decompose the variance in a table of methods x conventions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from benchmark.scoring.statistics.components import sums_of_squares
from core.types import FloatArray


@dataclass(frozen=True)
class VarianceDecomposition:
    """Decomposition of a two-way table of scores: shares of the squares around the grand mean.

    They add up to 1, or are 0 if all scores are equal.
    """

    methods: float
    """Share of the squares between the rows' means."""
    conventions: float
    """Share between the columns' means."""
    interaction: float
    """Share of the rest: conventions that help one method and harm another."""
    over_methods: float
    """Largest − smallest score in the first column: the range over methods under the first convention."""
    over_conventions: float
    """Largest − smallest score in a row, mean over rows: the range over conventions for one method."""
    rank_reversals: int
    """Number of method pairs whose order in the first column is reversed in another column."""
    pairs: int
    """Number of method pairs that differ in the first column."""
    n_methods: int


def variance_decomposition(values: ArrayLike) -> VarianceDecomposition:
    """Decompose the (M,C) scores of M methods under C conventions; rank reversals refer to the first convention.

    >>> variance_decomposition([[.5, .5], [.3, .3]]).methods
    1.0
    >>> variance_decomposition([[.5, .3], [.3, .5]]).rank_reversals
    1
    """
    table = np.asarray(values, dtype=np.float64)
    parts = [square.total for square in sums_of_squares(table, ("method", "convention")).values()]
    whole = sum(parts)
    methods, conventions, interaction = (round(part / whole, 12) if whole > 0 else 0.0 for part in parts)
    over_methods, over_conventions = float(np.ptp(table[:, 0])), float(np.ptp(table, axis=1).mean())
    return VarianceDecomposition(
        methods, conventions, interaction, over_methods, over_conventions, *_rank_reversals(table), len(table)
    )


def _rank_reversals(table: FloatArray) -> tuple[int, int]:
    differences = [table[a] - table[b] for a in range(len(table)) for b in range(a) if table[a, 0] != table[b, 0]]
    return sum(bool((d * np.sign(d[0]) < 0).any()) for d in differences), len(differences)
