"""Variance components: the parts of a score's variance due to network, method, training run and patient.

Analysis of variance by the method of moments, with all factors random: mean squares are set equal to their
expectations, E[MS of T] = Σ over terms U that contain T of σ²(U) · (number of values that share one level of U).
Negative estimates are set to 0. Cornfield and Tukey, Ann. Math. Stat. 27 (1956); Searle, Casella and McCulloch,
"Variance components" (1992), chapter 4. The design must be balanced; ``largest_balanced_part`` selects such a part of a
suite.
"""

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from core.errors import BadValueError
from core.types import FloatArray

Term = tuple[str, ...]
"""Factors of an interaction, in the order of the axes; a single factor is its main effect."""
Nesting = Mapping[str, Term]
"""Factor -> the factors that its levels are nested in."""
FACTORS: Term = ("backbone", "pooling", "method", "seed", "patient")
NESTED_IN: Nesting = {"seed": ("backbone", "pooling")}
"""Training runs are nested in networks: seed 0 of one network has nothing in common with seed 0 of another."""
Network = tuple[str, str]
"""Backbone and pooling."""
ScoreKey = tuple[str, str, str, int]
"""Backbone, pooling, method and seed."""


@dataclass(frozen=True)
class SumOfSquares:
    """Sum of squares of one term of a balanced design."""

    total: float
    df: int

    @property
    def mean(self) -> float:
        """Mean square; 0 for a term without degrees of freedom."""
        return self.total / self.df if self.df else 0.0


@dataclass(frozen=True, eq=False)
class BalancedScores:
    """Part of a suite's scores with the same methods and the same number of training runs for all networks."""

    values: FloatArray
    """(B,G,M,S,P) scores by backbone, pooling, method, training run of the network, patient."""
    levels: Mapping[str, tuple[str, ...]]
    """Names of backbones, poolings and methods."""
    left_out: int
    """Number of training runs of the suite that are not included."""

    @cached_property
    def components(self) -> dict[Term, float]:
        """Variance of each component."""
        return components(self.values)


def patient_values(theta: ArrayLike, jackknife: ArrayLike) -> FloatArray:
    """Return each patient's contribution (...,P) to scores ``theta`` (...), from the scores without each patient.

    These are the jackknife's pseudo-values, shifted so that their mean is the score.

    >>> patient_values(0.5, [1.0, 0.0]).tolist()
    [0.0, 1.0]
    """
    left_out = np.asarray(jackknife, dtype=np.float64)
    spread = (left_out.shape[-1] - 1) * (left_out.mean(-1, keepdims=True) - left_out)
    return np.asarray(np.asarray(theta, dtype=np.float64)[..., None] + spread)


def sums_of_squares(values: FloatArray, factors: Term, nested_in: Nesting | None = None) -> dict[Term, SumOfSquares]:
    """Return the sum of squares of each term, from values with an axis per factor; they add up to the total.

    >>> both = sums_of_squares(np.array([[0.5, 0.5], [0.3, 0.3]]), ("method", "convention"))
    >>> [round(one.total, 12) for one in both.values()]
    [0.04, 0.0, 0.0]
    """
    effects: dict[Term, FloatArray] = {(): values.mean(keepdims=True)}
    out: dict[Term, SumOfSquares] = {(): SumOfSquares(0.0, 1)}
    for term in _terms(factors, nested_in or {}):
        lower = [other for other in effects if set(other) < set(term)]
        over = tuple(axis for axis, name in enumerate(factors) if name not in term)
        effects[term] = values.mean(over, keepdims=True) - sum(effects[other] for other in lower)
        df = effects[term].size - sum(out[other].df for other in lower)
        out[term] = SumOfSquares(float((effects[term] ** 2).sum() * values.size / effects[term].size), df)
    return {term: square for term, square in out.items() if term}


def components(values: FloatArray, factors: Term = FACTORS, nested_in: Nesting = NESTED_IN) -> dict[Term, float]:
    """Return the variance of each term, from values with an axis per factor; the last term is the residual.

    A factor with one level is in no term. Raises ``BadValueError`` for fewer than two training runs of a network, or
    two patients.
    """
    sizes = dict(zip(factors, values.shape, strict=True))
    for name in ("seed", "patient"):
        if sizes.get(name, 2) < 2:
            raise BadValueError(f"there is one {name}: variance components require two or more")
    used_factors = tuple(name for name in factors if sizes[name] > 1)
    inner = {name: tuple(outer for outer in outers if outer in used_factors) for name, outers in nested_in.items()}
    squares = sums_of_squares(values.squeeze(), used_factors, inner)
    out: dict[Term, float] = {}
    for term in reversed(squares):
        shared = {other: math.prod(sizes[name] for name in used_factors if name not in other) for other in (*out, term)}
        above = sum(shared[other] * out[other] for other in out if set(term) < set(other))
        out[term] = (squares[term].mean - above) / shared[term]
    return {term: max(out[term], 0.0) for term in squares}


def largest_balanced_part(scores: Mapping[ScoreKey, FloatArray]) -> BalancedScores | None:
    """Return the largest balanced part of ``scores`` (P,); None if no network has two training runs.

    Prefers parts with several backbones and poolings, then with most training runs. A network contributes its first
    seeds; methods without a score for one of them are left out.
    """
    networks = {key[:2] for key in scores}
    seeds = {network: sorted({key[3] for key in scores if key[:2] == network}) for network in networks}
    parts = [part for grid in _grids(seeds) if (part := _part(scores, seeds, *grid)) is not None]
    return max(parts, key=_extent, default=None)


def _extent(scores: BalancedScores) -> tuple[int, int, int]:
    """Return the sort key: factors with levels, then training runs, then methods."""
    backbones, poolings, methods, *_ = scores.values.shape
    return (backbones > 1) + (poolings > 1), -scores.left_out, methods


def _terms(factors: Term, nested_in: Nesting) -> list[Term]:
    """Return all sets of factors, small ones first; a set with a nested factor includes its outer factors."""
    terms = (term for size in range(1, len(factors) + 1) for term in itertools.combinations(factors, size))
    return [term for term in terms if all(set(nested_in.get(name, ())) <= set(term) for name in term)]


def _grids(networks: Collection[Network]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return all sets of backbones and poolings whose combinations are all in ``networks``."""
    sides = [sorted({network[axis] for network in networks}) for axis in (0, 1)]
    subsets = [[c for n in range(1, len(side) + 1) for c in itertools.combinations(side, n)] for side in sides]
    return [(b, g) for b, g in itertools.product(*subsets) if set(itertools.product(b, g)) <= set(networks)]


def _part(
    scores: Mapping[ScoreKey, FloatArray],
    seeds: Mapping[Network, Sequence[int]],
    backbones: tuple[str, ...],
    poolings: tuple[str, ...],
) -> BalancedScores | None:
    """Return the scores of a grid of networks, with the same number of training runs of each.

    None for fewer than two training runs or without a common method.
    """
    networks = list(itertools.product(backbones, poolings))
    count = min(len(seeds[network]) for network in networks)
    trainings = [(*network, seed) for network in networks for seed in seeds[network][:count]]
    listed = sorted({key[2] for key in scores})
    methods = tuple(method for method in listed if all((b, g, method, seed) in scores for b, g, seed in trainings))
    if count < 2 or not methods:
        return None
    rows = [[scores[b, g, method, seed] for method in methods] for b, g, seed in trainings]
    values = np.array(rows).reshape(len(backbones), len(poolings), count, len(methods), -1).swapaxes(2, 3)
    levels = {"backbone": backbones, "pooling": poolings, "method": methods}
    return BalancedScores(values, levels, sum(map(len, seeds.values())) - len(trainings))
