"""Orders of the same rows: agreement of two data sets, and of rules that score the same cases.

``agreement``    how two data sets with separate training runs and patients rank their common rows: Kendall's tau
    (Biometrika 30, 1938) with its interval
``two_rows``     two rows under each rule
``Comparisons``  all pairs of methods of a network under each rule
``entries``, ``differences``, ``significant``  the scores of rows under a rule, and their significant differences
``contradicted``, ``reversals``  pairs whose order depends on the rule
``corrected_best``  the score of the best row without the advantage of its selection
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from locus.core.errors import BadValueError
from locus.core.frames import ratio
from locus.core.types import FloatArray, generator
from locus.scoring.statistics.mrmc import (
    ALPHA,
    RowSamples,
    compared,
    gaps_between,
    leave_one_out,
)
from locus.scoring.statistics.resample import (
    LEVEL,
    CaseGroups,
    CaseIndex,
    Sums,
    holm,
    mean,
    weights,
)

DRAW_COUNT = 2000
MIN_RANKED_METHODS = 5
"""Smallest number of methods for a rank correlation: with fewer, even the same order has p above .05."""


@dataclass(frozen=True)
class RankAgreement:
    """Agreement of two data sets on the order of the same rows."""

    tau: float
    """Kendall's tau-b of the mean scores: 1 for the same order, −1 for the reverse; nan if all rows are tied."""
    low: float
    """95% percentile interval over patients and, if there are several, training runs."""
    high: float
    p: float
    """Exact two-sided p-value of tau for independent orders."""
    rows: int
    """Number of rows; rows that are equal on both sides, such as equal maps, count once."""


def agreement(first: Mapping[str, RowSamples], second: Mapping[str, RowSamples]) -> RankAgreement:
    """Compare how two data sets rank their common rows, from each row's scores by name.

    Raises ``BadValueError`` for fewer than two rows.
    """
    names = [name for name in first if name in second]
    if len(names) < 2:
        raise BadValueError(
            f"the two data sets share {len(names)} rows: comparing rankings requires at least 2"
        )
    rows = [first[name] for name in names]
    other_rows = [second[name] for name in names]
    means = np.array([row.theta.mean() for row in rows])
    other_means = np.array([row.theta.mean() for row in other_rows])
    distinct = _distinct(means, other_means)
    drawn = _drawn_means(rows, seed=0)[:, distinct]
    other_drawn = _drawn_means(other_rows, seed=1)[:, distinct]
    low, high = _ends(kendall(drawn, other_drawn))
    return RankAgreement(
        tau=float(kendall(means[distinct], other_means[distinct])),
        low=low,
        high=high,
        p=exact_p(means, other_means),
        rows=len(distinct),
    )


def _distinct(first: FloatArray, second: FloatArray) -> NDArray[np.int64]:
    """Return the indices of M rows without repetitions: rows that are equal by both metrics, such as equal maps."""
    _, index = np.unique(np.stack([first, second], 1).round(12), axis=0, return_index=True)
    return np.sort(index)


def _ends(tau: FloatArray) -> tuple[float, float]:
    """Return the percentile interval of ``tau`` (R,); nan if nothing is defined."""
    if not np.isfinite(tau).any():
        return np.nan, np.nan
    low, high = np.nanquantile(tau, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def kendall(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return tau-b (...) of two metrics (...,M) of the same M rows; nan if all values of one are tied.

    The result equals SciPy's ``kendalltau``, which computes one pair at a time.

    >>> float(kendall(np.array([0.1, 0.2, 0.3]), np.array([1.0, 3.0, 2.0])).round(3))
    0.333
    """
    row, later_row = np.triu_indices(first.shape[-1], 1)
    x = np.sign(first[..., row] - first[..., later_row])
    y = np.sign(second[..., row] - second[..., later_row])
    return ratio((x * y).sum(-1), np.sqrt((x**2).sum(-1) * (y**2).sum(-1)))


def exact_p(first: FloatArray, second: FloatArray) -> float:
    """Return the two-sided p-value of the agreement of two metrics (M,) of the same M rows, for independent orders.

    It is the share of the orders of M rows that agree or disagree at least as much; Kendall, Biometrika 30 (1938). Rows
    that are equal by both metrics, such as equal maps, count once. The value is exact without other ties, too large
    with them.

    >>> round(exact_p(np.arange(4.0), np.arange(4.0)), 4)  # 2 of the 24 orders
    0.0833
    """
    distinct = _distinct(first, second)
    x = first[distinct].round(12)
    y = second[distinct].round(12)
    pairs = len(x) * (len(x) - 1) // 2
    inversions = np.ones(1)  # number of orders of the rows so far with 0, 1, 2 … inverted pairs
    for size in range(2, len(x) + 1):
        inversions = np.convolve(inversions, np.ones(size))
    row, later_row = np.triu_indices(len(x), 1)
    agreeing = abs(np.sum(np.sign(x[row] - x[later_row]) * np.sign(y[row] - y[later_row])))
    extreme = np.abs(pairs - 2 * np.arange(len(inversions))) >= agreeing
    return float(inversions[extreme].sum() / inversions.sum())


def _drawn_means(rows: Sequence[RowSamples], seed: int) -> FloatArray:
    """Return the mean scores (R,M) of M rows for drawn patients and training runs; rows of one network share draws."""
    patients = rows[0].jackknife.shape[1]
    theta = np.concatenate([row.theta for row in rows])
    jackknife = np.concatenate([row.jackknife for row in rows])
    left_out = jackknife.mean(1, keepdims=True) - jackknife
    by_patient = (
        theta[:, None] + (patients - 1) * left_out
    )  # shifted pseudo-values of all runs, (S, P)
    drawn = weights(patients, seed, DRAW_COUNT) @ (by_patient.T / patients)
    drawn_by_row = np.split(drawn, np.cumsum([len(row.runs) for row in rows])[:-1], axis=1)
    random = generator(seed, "trainings")
    shares: dict[tuple[str, ...], FloatArray] = {}  # how often each run is drawn, as a share
    means = []
    for row, of_row in zip(rows, drawn_by_row, strict=True):
        if row.runs not in shares:
            count = len(row.runs)
            shares[row.runs] = (
                random.multinomial(count, np.full(count, 1 / count), DRAW_COUNT) / count
            )
        means.append((of_row * shares[row.runs]).sum(1))
    return np.stack(means, 1)


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
    low: float | None = None
    """Ends of the 95% interval and two-sided p; None below ten patients, or if a finding has one patient."""
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    """p after Holm's correction, here over the rules."""

    @property
    def sign(self) -> int:
        """1 if the first row is significantly better after Holm's correction, -1 if the second is, else 0."""
        is_significant = self.p_holm is not None and self.p_holm <= ALPHA
        return int(np.sign(self.difference)) if is_significant else 0


def two_rows(
    values: Values,
    index: CaseIndex,
    runs: Sequence[tuple[str, ...]],
    errors: Mapping[str, tuple[float, float]] | None = None,
) -> list[UnderRule]:
    """Compare two rows under each rule.

    Args:
        values: rule -> (cases, runs of the first + runs of the second).
        index: finding and patient of the cases.
        runs: names of the training runs of both rows.
        errors: rule -> standard errors of both rows from the draw of the patient folds; 0 for a rule that it lacks.
    """
    groups = CaseGroups.of(index.findings, index.patients)
    pairs = []
    gaps = []
    for rule, columns in values.items():
        first, second = entries(columns, groups, runs)
        first_error, second_error = (errors or {}).get(rule, (0.0, 0.0))
        first = replace(first, draw_error=first_error)
        second = replace(second, draw_error=second_error)
        # nan: a finding has one patient, so that nothing is left without this patient
        is_defined = np.isfinite(first.jackknife).all() and np.isfinite(second.jackknife).all()
        pairs.append((first, second))
        gaps.append(compared(first, second) if is_defined else None)
    adjusted = holm(np.array([np.nan if gap is None else gap.p for gap in gaps])).tolist()
    rows = []
    for rule, (first, second), gap, p_holm in zip(values, pairs, gaps, adjusted, strict=True):
        first_mean = float(first.theta.mean())
        second_mean = float(second.theta.mean())
        row = UnderRule(rule, first_mean, second_mean, difference=first_mean - second_mean)
        if gap is not None:
            row = row._replace(low=gap.low, high=gap.high, p=gap.p, p_holm=p_holm)
        rows.append(row)
    return rows


def entries(
    values: FloatArray, groups: CaseGroups, runs: Sequence[tuple[str, ...]]
) -> list[RowSamples]:
    """Return the scores of methods from their values (cases, methods × runs), nan for a case that is left out."""
    is_known = np.isfinite(values)
    theta, left_out = leave_one_out(np.where(is_known, values, 0), is_known, groups)
    return split(theta, left_out, runs)


def split(
    theta: FloatArray, left_out: FloatArray, runs: Sequence[tuple[str, ...]]
) -> list[RowSamples]:
    """Return the scores of each method from those of all its runs (methods × runs), and those without each patient."""
    ends = np.cumsum([len(names) for names in runs])[:-1]
    scores_of_rows = zip(runs, np.split(theta, ends), np.split(left_out, ends), strict=True)
    return [
        RowSamples(names, theta_of_row, left_out_of_row)
        for names, theta_of_row, left_out_of_row in scores_of_rows
    ]


def differences(entries: Sequence[RowSamples]) -> tuple[FloatArray, FloatArray]:
    """Return the difference and p-value (pairs,) of each pair of rows; 0 and 1 if it cannot be tested."""
    gaps = gaps_between(entries)
    estimates = [gaps[pair] for pair in itertools.combinations(range(len(entries)), 2)]
    values = [
        (0.0, 1.0) if estimate is None else (estimate.value, estimate.p) for estimate in estimates
    ]
    value, p = np.array(values).T
    return value, p


def significant(values: FloatArray, p: FloatArray) -> Signs:
    """Return the signs of the differences ``values`` with ``p`` of at most .05."""
    return np.where(p <= ALPHA, np.sign(values), 0).astype(np.int8)


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
    differences: FloatArray
    """(rules, pairs), mean over findings and training runs."""
    p: FloatArray
    """(rules, pairs), two-sided."""

    @cached_property
    def signs(self) -> Signs:
        """Signs of the significant differences."""
        return significant(self.differences, self.p)

    @cached_property
    def adjusted(self) -> Signs:
        """The same after Holm's correction over the pairs of a rule."""
        return significant(self.differences, np.stack([holm(p) for p in self.p]))

    def corrected(self, rules: Sequence[str]) -> Signs:
        """Return the signs (rules, pairs) after Holm's correction over the pairs and some of the ``rules``."""
        chosen = [self.rules.index(rule) for rule in rules]
        return significant(self.differences[chosen], holm(self.p[chosen]))

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


SPLIT_COUNT = 200


def corrected_best(sums: Sums, seed: int = 0) -> float:
    """Return the score of the best of M rows without the advantage of its selection.

    The best row is chosen on half of the patients and scored on the others: mean over 200 random halves. ``sums``
    (P,F,M): hits and cases by patient and finding. Findings without a case in a half are left out of its means.

    >>> numerator = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])  # two patients, one finding: each row hits one of them
    >>> corrected_best(Sums(numerator, np.ones((2, 1, 2))))
    0.0
    """
    random = generator(seed, "halves")
    scores = []
    for _ in range(SPLIT_COUNT):
        order = random.permutation(len(sums.numerator))
        middle = len(order) // 2
        best = np.nanargmax(_means(sums, order[:middle]))
        scores.append(_means(sums, order[middle:])[best])
    return float(np.mean(scores))


def _means(sums: Sums, patients: NDArray[np.int64]) -> FloatArray:
    """Return the mean over findings (M,) of some patients."""
    return np.asarray(
        mean(ratio(sums.numerator[patients].sum(0), sums.denominator[patients].sum(0)), 0)
    )
