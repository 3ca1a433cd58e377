"""The same cases under several rules: which of two rows is better under each, and which rules contradict others.

``two_rows``     two rows under each rule
``Comparisons``  all pairs of methods of a network under each rule
``entries``, ``significant``  the scores of rows under a rule, and their significant differences
``contradicted``, ``reversals``  pairs whose order depends on the rule
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from locus.benchmark.scoring.statistics.agreement import kendall
from locus.benchmark.scoring.statistics.entries import ALPHA, RowSamples, compared, gaps_between, leave_one_out
from locus.benchmark.scoring.statistics.resample import CaseGroups, CaseIndex, holm
from locus.core.types import FloatArray

Values = Mapping[str, FloatArray]
"""Rule -> (N,) values of the cases; nan for a case that the rule leaves out."""
Signs = NDArray[np.int8]
"""(rules, pairs): 1 if the first method of the pair is significantly better, -1 if it is worse, else 0."""

POOLED = ("PxAP", "AP, IoU > .4", "FROC, IoU > .3")
"""Rules that pool all cases of a finding: their columns have the score without the patient of the row (jackknife)."""
TRAITS = ("box area", "area above .5", "area above .99", "cut")
"""Columns beside the rules: shares of the image that the box and the high values cover, and the score threshold."""


class UnderRule(NamedTuple):
    """Two rows under a rule, and their difference with its interval over patients and training runs."""

    rule: str
    first: float
    second: float
    difference: float
    low: float | None
    """Ends of the 95% interval and two-sided p; None below ten patients, or if a finding has one patient."""
    high: float | None
    p: float | None
    p_holm: float | None
    """p after Holm's correction, here over the rules."""

    @property
    def sign(self) -> int:
        """1 if the first row is significantly better, -1 if the second is, else 0."""
        return int(np.sign(self.difference)) if self.p is not None and self.p <= ALPHA else 0


def two_rows(values: Values, index: CaseIndex, runs: Sequence[tuple[str, ...]]) -> list[UnderRule]:
    """Compare two rows under each rule, from ``values``: rule -> (cases, runs of the first + runs of the second)."""
    groups = CaseGroups.of(index.findings, index.patients)
    pairs = [entries(columns, groups, runs) for columns in values.values()]
    defined = [n for n, pair in enumerate(pairs) if all(np.isfinite(row.jackknife).all() for row in pair)]
    gaps = dict(zip(defined, compared([(pairs[n][0], pairs[n][1]) for n in defined]), strict=True))
    adjusted = holm(np.array([np.nan if (gap := gaps.get(n)) is None else gap.p for n in range(len(pairs))])).tolist()
    rows = []
    for n, (rule, pair) in enumerate(zip(values, pairs, strict=True)):
        (first, second), gap = (float(row.theta.mean()) for row in pair), gaps.get(n)
        ends = (None,) * 4 if gap is None else (gap.low, gap.high, gap.p, adjusted[n])
        rows.append(UnderRule(rule, first, second, first - second, *ends))
    return rows


def entries(values: FloatArray, groups: CaseGroups, runs: Sequence[tuple[str, ...]]) -> list[RowSamples]:
    """Return the scores of methods from their values (cases, methods × runs), nan for a case that is left out."""
    known = np.isfinite(values)
    return split(*leave_one_out(np.where(known, values, 0), known, groups), runs)


def split(theta: FloatArray, left_out: FloatArray, runs: Sequence[tuple[str, ...]]) -> list[RowSamples]:
    """Return the scores of each method from those of all its runs (methods × runs), and those without each patient."""
    ends = np.cumsum([len(names) for names in runs])[:-1]
    parts = zip(runs, np.split(theta, ends), np.split(left_out, ends), strict=True)
    return [RowSamples(names, one, other) for names, one, other in parts]


def significant(entries: Sequence[RowSamples]) -> tuple[Signs, Signs]:
    """Return the signs (pairs,) of significant differences, before and after Holm's correction over the pairs."""
    gaps = gaps_between(entries)
    estimates = [gaps[pair] for pair in itertools.combinations(range(len(entries)), 2)]
    p = np.array([1.0 if estimate is None else estimate.p for estimate in estimates])
    values = np.array([0.0 if estimate is None else estimate.value for estimate in estimates])
    plain, adjusted = (np.where(level <= ALPHA, np.sign(values), 0).astype(np.int8) for level in (p, holm(p)))
    return plain, adjusted


@dataclass(frozen=True, eq=False)
class Comparisons:
    """All pairs of methods of a network, under each rule."""

    network: str
    methods: tuple[str, ...]
    rules: tuple[str, ...]
    means: FloatArray
    """(rules, methods), mean over findings and training runs."""
    traits: FloatArray
    """(traits, methods), mean over cases and training runs."""
    signs: Signs
    adjusted: Signs
    """The same after Holm's correction over the pairs of a rule."""

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Return the pairs of methods, in the order of the signs."""
        return [*itertools.combinations(self.methods, 2)]

    @cached_property
    def tau(self) -> FloatArray:
        """(rules, rules) Kendall's tau between the orders of the methods."""
        return kendall(self.means[:, None], self.means[None])


def contradicted(signs: Signs) -> NDArray[np.bool_]:
    """Return (pairs,) whether two rules order a pair significantly in opposite directions."""
    return np.asarray((signs > 0).any(0) & (signs < 0).any(0))


def reversals(signs: Signs) -> FloatArray:
    """Return (rules, rules) the share of pairs that two rules order significantly in opposite directions."""
    return np.asarray((signs[:, None] * signs[None] < 0).mean(-1))
