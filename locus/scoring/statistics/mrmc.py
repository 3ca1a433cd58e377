"""Rows of training runs compared over runs and patients: multi-reader multi-case analysis.

``RowSamples``  the scores of a row, with those without each patient
``interval``, ``difference``, ``difference_nested``, ``method_effect``  estimates of one row, two rows, two methods
``compared``, ``over_patients``  two rows on common training runs; two single runs over patients alone
``verdicts``    which rows of a table are significantly worse than another

Training runs are the readers, patients the cases. Obuchowski and Rockette, Commun. Stat. Simul. Comput. 24 (1995);
degrees of freedom by Hillis, Stat. Med. 26 (2007), 33 (2014). ``theta`` is (S,): the scores of S training runs.
``jackknife`` is (S, P): the same scores with one of P patients left out, in the same order for all runs.

The variance of a mean over runs is MS / S + max(cov, 0): MS is the mean square over runs, cov the mean covariance over
patients between two runs. It is never smaller than the jackknife variance of that mean. Without this lower limit,
scores that agree over runs by chance gave an interval of zero width. docs/limits.md lists the coverage.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from locus.core.errors import BadValueError
from locus.core.types import FloatArray
from locus.scoring.statistics import resample
from locus.scoring.statistics.resample import (
    LEVEL,
    MIN_PATIENTS,
    CaseGroups,
    Sums,
    holm,
    mean,
)

MIN_SPREAD = 1e-9
"""Smaller standard errors count as 0: they are rounding."""
ALPHA = 1 - LEVEL
"""Significance level for the difference between two rows, after Holm's correction."""
COLUMNS_PER_BLOCK = 64
"""Number of columns that ``leave_one_out`` computes at a time."""


@dataclass(frozen=True)
class MrmcEstimate:
    """A mean over training runs, or a difference, with its interval over training runs and patients."""

    value: float
    low: float
    """Lower end; nan, as ``high``, for one training run, since its spread is unknown."""
    high: float
    df: float
    """Degrees of freedom of Student's t; infinite if the runs do not differ."""
    p: float = float("nan")
    """Two-sided p-value of a difference; never 0."""


NO_DIFFERENCE = MrmcEstimate(0.0, 0.0, 0.0, np.inf, 1.0)
"""The estimate for equal rows."""

Row = tuple[ArrayLike, ArrayLike]
"""``theta`` and ``jackknife``."""
CheckedRow = tuple[FloatArray, FloatArray]
"""``theta`` (..., S) and ``jackknife`` (..., S, P)."""


@dataclass(frozen=True, eq=False)
class RowSamples:
    """Scores of S training runs; all entries of a table have the same P patients."""

    runs: tuple[str, ...]
    """(S,) names of the training runs; equal names denote the same network."""
    theta: FloatArray
    """(S,) scores."""
    jackknife: FloatArray
    """(S,P) scores with one patient left out."""
    draw_error: float = 0.0
    """Standard error from the draw of the patient folds, for baselines that are means over several draws."""

    resampled: FloatArray | None = None
    """(S,B) the same scores in resamples of patients that choose their thresholds again, in the form of a jackknife
    (``scoring.rechosen.as_jackknife``); None if they were not computed."""
    resamples_draw_folds: bool = False
    """Whether ``resampled`` is of a baseline that is made again with new folds, so that it has the ``draw_error``."""

    @property
    def draw_error_of_resamples(self) -> float:
        """The error from the draw of the patient folds that ``resampled`` lacks."""
        return 0.0 if self.resamples_draw_folds else self.draw_error

    def restrict(self, runs: Sequence[str]) -> "RowSamples":
        """Return the scores of the given training runs, in the given order."""
        if tuple(runs) == self.runs:
            return self
        index = [self.runs.index(name) for name in runs]
        resampled = None if self.resampled is None else self.resampled[index]
        return replace(
            self,
            runs=tuple(runs),
            theta=self.theta[index],
            jackknife=self.jackknife[index],
            resampled=resampled,
        )

    @property
    def interval(self) -> MrmcEstimate | None:
        """Mean with its interval over training runs and patients; None for one run or fewer than 10 patients."""
        if len(self.theta) < 2 or self.jackknife.shape[1] < MIN_PATIENTS:
            return None
        left_out = self.jackknife if self.resampled is None else self.resampled
        return interval(self.theta, left_out, patients=self.jackknife.shape[1])


@dataclass(frozen=True, eq=False)
class VarianceParts:
    """Parts of the variance of a weighted sum, over G networks, of means over training runs.

    Arrays may have leading axes, such as the repetitions of a simulation.
    """

    value: FloatArray
    """(...) the weighted sum."""
    runs: FloatArray
    """(..., G) variance from the runs of each network: weight² · MS / S."""
    run_df: FloatArray
    """(G,) S − 1 of each network."""
    patients: FloatArray
    """(...) covariance over patients between different runs, 0 if it is negative."""
    jackknife: FloatArray
    """(...) jackknife variance of the weighted sum, with these runs fixed."""
    draws: float = 0.0
    """Variance from the draw of the patient folds."""

    @classmethod
    def of_sums(
        cls,
        value: FloatArray,
        squares: FloatArray,
        run_spread: FloatArray,
        jackknife: FloatArray,
        sizes: Sequence[int],
        weights: Sequence[float],
    ) -> Self:
        """Return the parts of the variance of a weighted sum over G networks.

        Args:
            value: (...) the weighted sum.
            squares: (..., G) sums over runs of the squared deviations of the scores from their mean over runs.
            run_spread: (..., G) sums over runs of the jackknife variances of these deviations.
            jackknife: (...) jackknife variance of the weighted sum, with these runs fixed.
            sizes: (G,) number of training runs of each network.
            weights: (G,) weight of each network.
        """
        scale = np.asarray(weights) ** 2 / sizes
        # one run: its variance over runs is unknown and counts as 0
        run_df = np.maximum(np.asarray(sizes) - 1, 1)
        # the covariance of a network's mean with itself exceeds that between its runs by run_spread / (S (S − 1))
        patients = jackknife - (run_spread * scale / run_df).sum(-1)
        return cls(
            value=value,
            runs=squares * scale / run_df,
            run_df=run_df,
            patients=np.maximum(patients, 0),
            jackknife=jackknife,
        )

    @property
    def variance(self) -> FloatArray:
        """(...) total variance: that over runs and patients, at least the jackknife variance, and that of draws."""
        return np.maximum(self.runs.sum(-1) + self.patients, self.jackknife) + self.draws

    @property
    def df(self) -> FloatArray:
        """(...) Satterthwaite's degrees of freedom of ``variance``, infinite if the runs have no spread."""
        spread = (self.runs**2 / self.run_df).sum(-1)
        infinite_df = np.broadcast_to(np.inf, np.shape(spread)).copy()
        return np.divide(self.variance**2, spread, out=infinite_df, where=spread > 0)


def variance_parts(networks: Sequence[CheckedRow], weights: Sequence[float]) -> VarianceParts:
    """Return the parts of the variance of the weighted sum of the networks' means over their runs.

    The module explains the estimator.

    Args:
        networks: ``theta`` (..., S_n) and ``jackknife`` (..., S_n, P) of each network, the same patients for all.
        weights: One per network.
    """
    squares = []
    run_spread = []
    value: FloatArray | float = 0.0
    left_out_value: FloatArray | float = 0.0
    for weight, (scores, left_out) in zip(weights, networks, strict=True):
        mean_score = scores.mean(-1, keepdims=True)
        mean_left_out = left_out.mean(-2)
        squares.append(((scores - mean_score) ** 2).sum(-1))
        run_spread.append(_variance(left_out - mean_left_out[..., None, :]).sum(-1))
        value = value + weight * mean_score[..., 0]
        left_out_value = left_out_value + weight * mean_left_out
    sizes = [scores.shape[-1] for scores, _ in networks]
    return VarianceParts.of_sums(
        value=np.asarray(value),
        squares=np.stack(squares, -1),
        run_spread=np.stack(run_spread, -1),
        jackknife=_variance(np.asarray(left_out_value)),
        sizes=sizes,
        weights=weights,
    )


def _variance(left_out: FloatArray) -> FloatArray:
    """Return the jackknife variance (...) of ``left_out`` (..., P)."""
    patients = left_out.shape[-1]
    gaps = left_out - left_out.mean(-1, keepdims=True)
    return np.asarray((patients - 1) / patients * (gaps**2).sum(-1))


def interval(theta: ArrayLike, jackknife: ArrayLike, patients: int | None = None) -> MrmcEstimate:
    """Return the mean score over training runs, with its interval for new runs and patients, clipped to [0, 1].

    If nothing varies (a score of 1 for every patient and run), the exact binomial bound over patients replaces
    Student's t (Clopper and Pearson, 1934). ``patients``: their number, if ``jackknife`` has resamples in the form of a
    jackknife. Raises ``BadValueError`` for arrays of different shapes or without a number.
    """
    rows = [_checked((theta, jackknife))]
    return replace(_student(rows, [1.0], 0, patients=patients), p=float("nan"))


def difference(a: Row, b: Row, draws: float = 0.0, patients: int | None = None) -> MrmcEstimate:
    """Return A − B of two rows on the same S training runs, such as two methods on one network, clipped to ±1.

    ``draws``: variance of the difference from the draw of the patient folds. ``patients``: as in ``interval``. Two
    rows that are equal for every run and patient give [0, 0] and p = 1. Raises ``BadValueError`` for arrays of
    different shapes or without a number.
    """
    (scores_a, left_out_a), (scores_b, left_out_b) = _same_patients([a, b])
    if len(scores_a) != len(scores_b):
        counts = f"A has {len(scores_a)} training runs, B {len(scores_b)}"
        raise BadValueError(f"{counts}: give the same runs of both, or use difference_nested")
    gaps = (scores_a - scores_b, left_out_a - left_out_b)
    return _student([gaps], [1.0], -1, equal=_is_zero(gaps), draws=draws, patients=patients)


def all_differences(rows: Row) -> list[MrmcEstimate]:
    """Return the difference of each pair of N rows on the same S runs, from ``theta`` (N, S), ``jackknife`` (N, S, P).

    With few runs, some of many pairs agree over the runs by chance and would be significant. So the mean square over
    runs of a pair is at least its mean over all pairs, with (S − 1) · max(1, (N − 1) / 4) degrees of freedom; see
    docs/concepts.md for the error rates. Otherwise they equal ``difference`` or, with one run, ``difference_nested``.
    The variance of a difference is that of both rows minus twice their covariance, so a matrix product per run gives
    it for all pairs.
    """
    scores, left_out = _checked(rows)
    count, runs = scores.shape
    first, second = np.triu_indices(count, 1)

    def variances(values: FloatArray) -> FloatArray:
        """Return the jackknife variance (..., pairs) of the differences of ``values`` (..., N, P)."""
        gaps = values - values.mean(-1, keepdims=True)
        covariance = gaps @ gaps.swapaxes(-1, -2) * (1 - 1 / values.shape[-1])
        variance = covariance[..., range(count), range(count)]
        of_difference = (
            variance[..., first] + variance[..., second] - 2 * covariance[..., first, second]
        )
        return np.maximum(of_difference, 0)

    gaps = scores[first] - scores[second]
    squares = ((gaps - gaps.mean(1, keepdims=True)) ** 2).sum(1)
    of_mean = variances(left_out.mean(1))
    of_runs = variances(left_out.swapaxes(0, 1)).sum(0)
    # the spread of the runs around their mean, as a sum of squares has it
    run_spread = of_runs - runs * of_mean
    components = VarianceParts.of_sums(
        value=gaps.mean(1),
        squares=squares[:, None],
        run_spread=run_spread[:, None],
        jackknife=of_mean,
        sizes=[runs],
        weights=[1.0],
    )
    pooled = np.maximum(components.runs, components.runs.mean(0))
    pooled_df = components.run_df * max(1, (count - 1) / 4)
    equal = (np.abs(gaps) <= MIN_SPREAD).all(1) & (of_runs <= MIN_SPREAD**2)
    return _intervals(
        replace(components, runs=pooled, run_df=pooled_df), left_out.shape[-1], -1, equal
    )


def difference_nested(
    a: Row, b: Row, draws: float = 0.0, patients: int | None = None
) -> MrmcEstimate:
    """Return A − B of two rows on different training runs, such as two networks, and the same patients, clipped to ±1.

    The spread of a row with one run is unknown, so this run counts as fixed and contributes the variance over patients
    only. The interval then applies to new runs of the other row, compared with this run; if both rows have one run, to
    new patients alone. ``draws``, ``patients``: as in ``difference``. Raises ``BadValueError`` for arrays of different
    shapes or without a number.
    """
    rows = _same_patients([a, b])
    (scores_a, left_out_a), (scores_b, left_out_b) = rows
    is_one_score = (np.ptp(np.concatenate([scores_a, scores_b]), 0) <= MIN_SPREAD).all()
    is_one_jackknife = (np.ptp(np.concatenate([left_out_a, left_out_b]), 0) <= MIN_SPREAD).all()
    equal = bool(is_one_score and is_one_jackknife)
    return _estimate(
        rows, weights=[1.0, -1.0], lowest=-1, equal=equal, draws=draws, patients=patients
    )


def method_effect(differences: Sequence[Row], draws: float = 0.0) -> MrmcEstimate:
    """Return the mean difference of two methods over N networks, for new training runs and patients, clipped to ±1.

    The networks are fixed: the interval does not apply to other networks.

    Args:
        differences: For each network, ``theta`` (S_n,) and ``jackknife`` (S_n, P) of method A minus those of B.
        draws: Variance of the mean difference from the draw of the patient folds.

    Raises:
        BadValueError: Fewer than two networks, a network with one run, or arrays of different shapes.
    """
    rows = _same_patients(differences)
    runs = [len(scores) for scores, _ in rows]
    if len(rows) < 2 or min(runs) < 2:
        raise BadValueError(
            f"networks with {runs} training runs: give two or more networks with two or more runs each"
        )
    weights = [1 / len(rows)] * len(rows)
    equal = all(map(_is_zero, rows))
    return _estimate(rows, weights, lowest=-1, equal=equal, draws=draws)


def _student(
    rows: Sequence[CheckedRow],
    weights: Sequence[float],
    lowest: float,
    equal: bool = False,
    draws: float = 0.0,
    patients: int | None = None,
) -> MrmcEstimate:
    """Return the weighted sum with its interval over runs and patients; nan if a row has one run."""
    if min(len(scores) for scores, _ in rows) == 1:
        return MrmcEstimate(float(variance_parts(rows, weights).value), np.nan, np.nan, np.nan)
    return _estimate(rows, weights, lowest, equal, draws, patients)


def _estimate(
    rows: Sequence[CheckedRow],
    weights: Sequence[float],
    lowest: float,
    equal: bool,
    draws: float,
    patients: int | None = None,
) -> MrmcEstimate:
    """Return the weighted sum of the ``rows`` with its interval; ``equal``: whether nothing differs."""
    if patients is None:
        patients = rows[0][1].shape[-1]
    components = replace(variance_parts(rows, weights), draws=draws)
    (estimate,) = _intervals(components, patients, lowest, np.array([equal]))
    return estimate


def _intervals(
    components: VarianceParts, patients: int, lowest: float, equal: NDArray[np.bool_]
) -> list[MrmcEstimate]:
    """Return N intervals by Student's t, clipped to ``lowest`` and 1; p is at least that of a sign-flip test.

    ``equal``: (N,) True where nothing differs.
    """
    mean, error, df = np.atleast_1d(components.value, np.sqrt(components.variance), components.df)
    varied = error > MIN_SPREAD
    reach = special.stdtrit(df, (1 + LEVEL) / 2) * error
    low, high = np.clip([mean - reach, mean + reach], lowest, 1)
    p = 2 * special.stdtr(df, -np.abs(mean) / np.where(varied, error, 1))
    smallest_p = max(2.0 ** (1 - patients), np.finfo(float).tiny)
    p = np.maximum(p, smallest_p)
    estimates: list[MrmcEstimate] = []
    for fields in zip(
        mean.tolist(), low.tolist(), high.tolist(), df.tolist(), p.tolist(), strict=True
    ):
        number = len(estimates)
        if equal[number]:
            estimates.append(NO_DIFFERENCE)
        elif varied[number]:
            estimates.append(MrmcEstimate(*fields))
        else:
            estimates.append(_without_spread(fields[0], patients, lowest))
    return estimates


def _without_spread(mean: float, patients: int, lowest: float) -> MrmcEstimate:
    """Return the bound if all patients have the same value: a share of unseen patients may have any value.

    This share is the binomial bound of one that is 0 in the sample; p is the level at which an end is 0.
    """
    unseen_share = 1 - ((1 - LEVEL) / 2) ** (1 / patients)
    p = min(1.0, max(2 * (1 + abs(mean)) ** -float(patients), np.finfo(float).tiny))
    return MrmcEstimate(
        value=mean,
        low=(1 - unseen_share) * mean + unseen_share * lowest,
        high=(1 - unseen_share) * mean + unseen_share,
        df=np.inf,
        p=p,
    )


def _is_zero(gaps: CheckedRow) -> bool:
    """Whether two rows are equal for every run and patient, from their differences."""
    return all(bool((np.abs(side) <= MIN_SPREAD).all()) for side in gaps)


def _same_patients(rows: Sequence[Row]) -> list[CheckedRow]:
    checked = [_checked(row) for row in rows]
    counts = [left_out.shape[-1] for _, left_out in checked]
    if len(set(counts)) > 1:
        raise BadValueError(f"the rows have {counts} patients: give the same patients for all rows")
    return checked


def _checked(row: Row) -> CheckedRow:
    scores = np.asarray(row[0], dtype=np.float64)
    left_out = np.asarray(row[1], dtype=np.float64)
    if not scores.ndim or scores.shape != left_out.shape[:-1] or left_out.shape[-1] < 2:
        shapes = f"scores of shape {scores.shape} and jackknife of shape {left_out.shape}"
        raise BadValueError(f"{shapes}: give (S,) and (S, P) with P of 2 or more")
    if not (np.isfinite(scores).all() and np.isfinite(left_out).all() and len(scores)):
        raise BadValueError(
            "a score or jackknife value is NaN or infinite: leave out that training run or patient"
        )
    return scores, left_out


def leave_one_out(
    numerator: FloatArray, denominator: FloatArray, groups: CaseGroups
) -> tuple[FloatArray, FloatArray]:
    """Return the means (M,) over findings of ratios of sums over cases, and the same with each patient left out (M,P).

    Thresholds are not chosen again. If leaving out a patient leaves a finding without cases, the
    finding is omitted from that mean.

    ``numerator``, ``denominator``: of each case and column (N,M).
    """
    columns = numerator.shape[1]
    theta = np.empty(columns)
    jackknife = np.empty((columns, groups.patients))
    for start in range(0, columns, COLUMNS_PER_BLOCK):  # small temporary arrays are faster
        block = slice(start, start + COLUMNS_PER_BLOCK)
        sums = groups.sums(numerator[:, block], denominator[:, block])
        theta[block] = mean(sums.value, 0)
        jackknife[block] = mean(sums.without, 1).T
    return theta, jackknife


def compared(first: RowSamples, second: RowSamples) -> MrmcEstimate | None:
    """Return ``first`` − ``second``: paired on common training runs, nested if there are fewer than two of them.

    A single run counts as fixed: a side with several runs keeps its variance over runs, and a side with one run
    contributes patients only. If the sides have one common run, only that run is compared, over patients alone.
    If both sides have ``resampled``, the variance is that of these resamples: each chooses the thresholds and makes the
    baselines again. None for fewer than 10 patients.
    """
    if first.jackknife.shape[1] < MIN_PATIENTS:
        return None
    common = [name for name in first.runs if name in second.runs]
    if common:
        first = first.restrict(common)
        second = second.restrict(common)
    compare = difference if len(common) > 1 else difference_nested
    if first.resampled is not None and second.resampled is not None:
        draws = first.draw_error_of_resamples**2 + second.draw_error_of_resamples**2
        return compare(
            (first.theta, first.resampled),
            (second.theta, second.resampled),
            draws,
            patients=first.jackknife.shape[1],
        )
    draws = first.draw_error**2 + second.draw_error**2
    return compare((first.theta, first.jackknife), (second.theta, second.jackknife), draws)


def with_draw_error(estimate: MrmcEstimate, draw_error: float) -> MrmcEstimate:
    """Widen the interval of a difference over patients by the standard error from the draw of the patient folds.

    Its p does not include this error.
    """
    reach = special.ndtri((1 + LEVEL) / 2) * draw_error
    low = estimate.value - np.hypot(estimate.value - estimate.low, reach)
    high = estimate.value + np.hypot(estimate.high - estimate.value, reach)
    return replace(estimate, low=float(low), high=float(high))


def over_patients(first: Sums, second: Sums) -> list[MrmcEstimate]:
    """Return M differences of the means over findings of one training run on each side: BCa and sign-flip test.

    Low and high are nan below 10 patients. ``second`` may have one column, which is compared with all of ``first``.
    """
    first_means = resample.over_findings(resample.bootstrap_draws(first))
    second_means = resample.over_findings(resample.bootstrap_draws(second))
    gap = first_means - second_means
    shape = first.numerator.shape
    repeated = Sums(
        np.broadcast_to(second.numerator, shape), np.broadcast_to(second.denominator, shape)
    )
    p_values = resample.sign_flip(first, repeated).tolist()
    ends = resample.interval(gap).tolist()
    return [
        MrmcEstimate(value=value, low=low, high=high, df=np.inf, p=p)
        for value, (low, high), p in zip(gap.value.tolist(), ends, p_values, strict=True)
    ]


@dataclass(frozen=True)
class Verdict:
    """Whether a row is significantly worse than another one of its table, and by how much a better one is better."""

    significantly_worse: bool | None
    """Whether another row is significantly better; None if nothing can be compared."""
    worse_by: MrmcEstimate | None = None
    """How much better the row ``compared_with`` is, with an unadjusted interval; None for the top row, or if there are
    too few patients."""
    compared_with: int | None = None
    """Index of the top row. If it is not significantly better but other rows are: index of the best of those."""


Gaps = Mapping[tuple[int, int], MrmcEstimate | None]
"""Indices of two rows, the smaller first -> how much better the first is; None if they are not comparable."""


def gaps_between(rows: Sequence[RowSamples]) -> Gaps:
    """Return the difference of each pair: ``all_differences`` if all rows have the same runs, else ``compared``."""
    pairs = [*itertools.combinations(range(len(rows)), 2)]
    has_same_runs = all(
        row.runs == rows[0].runs and row.jackknife.shape[1] >= MIN_PATIENTS for row in rows
    )
    if len(rows) > 1 and has_same_runs:
        theta = np.stack([row.theta for row in rows])
        jackknife = np.stack([row.jackknife for row in rows])
        return dict(zip(pairs, all_differences((theta, jackknife)), strict=True))
    return {(first, second): compared(rows[first], rows[second]) for first, second in pairs}


def verdicts(rows: int, gaps: Gaps) -> list[Verdict]:
    """Compare each row with all others; rows are sorted, best first.

    A row may be the best unless another row is significantly better at the 5% level. Holm's correction is over all
    pairs, so that the level holds for all rows together.

    >>> gap = MrmcEstimate(0.2, 0.1, 0.3, np.inf, 0.001)
    >>> [(v.significantly_worse, v.compared_with) for v in verdicts(2, {(0, 1): gap})]
    [(False, None), (True, 0)]
    """
    adjusted = holm(np.array([np.nan if gap is None else gap.p for gap in gaps.values()]))
    p = np.full((rows, rows), np.nan)
    in_both_orders = dict(gaps)
    for ((first, second), gap), p_of_pair in zip(gaps.items(), adjusted.tolist(), strict=True):
        p[first, second] = p_of_pair
        p[second, first] = p_of_pair
        in_both_orders[second, first] = None if gap is None else _reversed(gap)
    row_verdicts = []
    for row in range(rows):
        gaps_of_row = {
            other_row: in_both_orders[other_row, row]
            for other_row in range(rows)
            if other_row != row
        }
        row_verdicts.append(_verdict(row, gaps_of_row, p[row]))
    return row_verdicts


def _verdict(row: int, gaps: Mapping[int, MrmcEstimate | None], p: FloatArray) -> Verdict:
    """Return the verdict on ``row`` from its ``gaps`` to the other rows (best first) and their adjusted ``p``."""
    if not np.isfinite(p).any():
        return Verdict(None)
    better = [n for n, gap in gaps.items() if gap is not None and gap.value > 0 and p[n] <= ALPHA]
    best = better[0] if better else None
    if (
        row > 0 and best is None
    ):  # no row is significantly better: say how much better the top row is
        best = 0
    return Verdict(
        significantly_worse=bool(better),
        worse_by=None if best is None else gaps.get(best),
        compared_with=best,
    )


def _reversed(estimate: MrmcEstimate) -> MrmcEstimate:
    return replace(estimate, value=-estimate.value, low=-estimate.high, high=-estimate.low)


def mean_of_rows(rows: Sequence[RowSamples]) -> RowSamples:
    """Average several methods on the same training runs into one row: scores and jackknife."""
    theta = np.mean([row.theta for row in rows], axis=0)
    jackknife = np.mean([row.jackknife for row in rows], axis=0)
    return RowSamples(rows[0].runs, theta, jackknife)
