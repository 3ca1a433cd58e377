"""Confidence intervals over training runs and patients: multi-reader multi-case analysis.

Training runs are the readers, patients the cases. Obuchowski and Rockette, Commun. Stat. Simul. Comput. 24 (1995);
degrees of freedom by Hillis, Stat. Med. 26 (2007), 33 (2014). ``theta`` is (S,): the scores of S training runs.
``jackknife`` is (S, P): the same scores with one of P patients left out, in the same order for all runs.

The variance of a mean over runs is MS / S + max(cov, 0): MS is the mean square over runs, cov the mean covariance over
patients between two runs. It is never smaller than the jackknife variance of that mean. Without this lower limit,
scores that agree over runs by chance gave an interval of zero width. docs/limits.md lists the coverage.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from locus.benchmark.scoring.statistics.resample import LEVEL, CheckedRow, VarianceParts, variance_parts
from locus.core.errors import BadValueError
from locus.core.types import FloatArray

NO_SPREAD = 1e-9
"""Smaller standard errors count as 0: they are rounding."""


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


def interval(theta: ArrayLike, jackknife: ArrayLike) -> MrmcEstimate:
    """Return the mean score over training runs, with its interval for new runs and patients, clipped to [0, 1].

    If nothing varies (a score of 1 for every patient and run), the exact binomial bound over patients replaces
    Student's t (Clopper and Pearson, 1934). Raises ``BadValueError`` for arrays of different shapes or without a
    number.
    """
    return replace(_student([_checked((theta, jackknife))], [1.0], 0), p=float("nan"))


def difference(a: Row, b: Row) -> MrmcEstimate:
    """Return A − B of two rows on the same S training runs, such as two methods on one network, clipped to ±1.

    Two rows that are equal for every run and patient give [0, 0] and p = 1. Raises ``BadValueError`` for arrays of
    different shapes or without a number.
    """
    (first, left_a), (second, left_b) = _same_patients([a, b])
    if len(first) != len(second):
        counts = f"A has {len(first)} training runs, B {len(second)}"
        raise BadValueError(f"{counts}: give the same runs of both, or use difference_nested")
    gaps = (first - second, left_a - left_b)
    return _student([gaps], [1.0], -1, equal=bool(_is_zero(_alone(gaps))[0]))


def differences(a: Row, b: Row) -> list[MrmcEstimate]:
    """Return ``difference`` of N pairs with S >= 2 runs, from ``theta`` (N, S) and ``jackknife`` (N, S, P)."""
    (first, left_a), (second, left_b) = _checked(a), _checked(b)
    gaps = (first - second, left_a - left_b)
    return _estimates([gaps], [1.0], -1, _is_zero(gaps))


def all_differences(rows: Row) -> list[MrmcEstimate]:
    """Return the difference of each pair of N rows on the same S runs, from ``theta`` (N, S), ``jackknife`` (N, S, P).

    With few runs, some of many pairs agree over the runs by chance and would be significant. So the mean square over
    runs of a pair is at least its mean over all pairs, with (S − 1) · max(1, (N − 1) / 4) degrees of freedom; see
    docs/concepts.md for the error rates. Otherwise the differences equal ``differences``, or with one run
    ``differences_nested``. The variance of a difference is that of both rows minus twice their covariance, so a matrix
    product per run gives it for all pairs.
    """
    scores, left_out = _checked(rows)
    (count, runs), (first, second) = scores.shape, np.triu_indices(len(scores), 1)

    def variances(values: FloatArray) -> FloatArray:
        """Return the jackknife variance (..., pairs) of the differences of ``values`` (..., N, P)."""
        gaps = values - values.mean(-1, keepdims=True)
        shared = gaps @ gaps.swapaxes(-1, -2) * (1 - 1 / values.shape[-1])
        alone = shared[..., range(count), range(count)]
        return np.maximum(alone[..., first] + alone[..., second] - 2 * shared[..., first, second], 0)

    gaps = scores[first] - scores[second]
    of_mean, of_runs = variances(left_out.mean(1)), variances(left_out.swapaxes(0, 1)).sum(0)
    squares, run_spread = ((gaps - gaps.mean(1, keepdims=True)) ** 2).sum(1), of_runs - runs * of_mean
    parts = VarianceParts.of_sums(gaps.mean(1), squares[:, None], run_spread[:, None], of_mean, [runs], [1.0])
    pooled, df = np.maximum(parts.runs, parts.runs.mean(0)), parts.run_df * max(1, (count - 1) / 4)
    return _intervals(
        replace(parts, runs=pooled, run_df=df),
        left_out.shape[-1],
        -1,
        (np.abs(gaps) <= NO_SPREAD).all(1) & (of_runs <= NO_SPREAD**2),
    )


def difference_nested(a: Row, b: Row) -> MrmcEstimate:
    """Return A − B of two rows on different training runs, such as two networks, and the same patients, clipped to ±1.

    The spread of a row with one run is unknown, so this run counts as fixed and contributes the variance over patients
    only. The interval then applies to new runs of the other row, compared with this run; if both rows have one run, to
    new patients alone. Raises ``BadValueError`` for arrays of different shapes or without a number.
    """
    return differences_nested(*map(_alone, _same_patients([a, b])))[0]


def differences_nested(a: Row, b: Row) -> list[MrmcEstimate]:
    """Return ``difference_nested`` of N pairs, from ``theta`` (N, S) and ``jackknife`` (N, S, P)."""
    rows = [_checked(a), _checked(b)]
    return _estimates(rows, [1.0, -1.0], -1, _are_equal(rows))


def method_effect(differences: Sequence[Row]) -> MrmcEstimate:
    """Return the mean difference of two methods over N networks, for new training runs and patients, clipped to ±1.

    The networks are fixed: the interval does not apply to other networks.

    Args:
        differences: For each network, ``theta`` (S_n,) and ``jackknife`` (S_n, P) of method A minus those of B.

    Raises:
        BadValueError: Fewer than two networks, a network with one run, or arrays of different shapes.
    """
    return method_effects([_alone(_checked(row)) for row in differences])[0]


def method_effects(differences: Sequence[Row]) -> list[MrmcEstimate]:
    """Return ``method_effect`` of N pairs of methods, from ``theta`` (N, S_n) and ``jackknife`` (N, S_n, P)."""
    rows = _same_patients(differences)
    runs = [scores.shape[1] for scores, _ in rows]
    if len(rows) < 2 or min(runs) < 2:
        raise BadValueError(f"networks with {runs} training runs: give two or more networks with two or more runs each")
    return _estimates(rows, [1 / len(rows)] * len(rows), -1, np.all([_is_zero(row) for row in rows], 0))


def _student(rows: Sequence[CheckedRow], weights: Sequence[float], lowest: float, equal: bool = False) -> MrmcEstimate:
    """Return the weighted sum with its interval over runs and patients; nan if a row has one run."""
    if min(len(scores) for scores, _ in rows) == 1:
        return MrmcEstimate(float(variance_parts(rows, weights).value), np.nan, np.nan, np.nan)
    return _estimates([*map(_alone, rows)], weights, lowest, np.array([equal]))[0]


def _estimates(
    rows: Sequence[CheckedRow], weights: Sequence[float], lowest: float, equal: NDArray[np.bool_]
) -> list[MrmcEstimate]:
    """Return N intervals from ``theta`` (N, S) and ``jackknife`` (N, S, P) of each of the ``rows``."""
    return _intervals(variance_parts(rows, weights), rows[0][1].shape[-1], lowest, equal)


def _intervals(parts: VarianceParts, patients: int, lowest: float, equal: NDArray[np.bool_]) -> list[MrmcEstimate]:
    """Return N intervals by Student's t, clipped to ``lowest`` and 1; p is at least that of a sign-flip test.

    ``equal``: (N,) True where nothing differs.
    """
    mean, error, df = parts.value, np.sqrt(parts.variance), parts.df
    varied = error > NO_SPREAD
    reach = special.stdtrit(df, (1 + LEVEL) / 2) * error
    low, high = np.clip([mean - reach, mean + reach], lowest, 1)
    p = 2 * special.stdtr(df, -np.abs(mean) / np.where(varied, error, 1))
    p = np.maximum(p, max(2.0 ** (1 - patients), np.finfo(float).tiny))
    estimates = map(MrmcEstimate, *(values.tolist() for values in (mean, low, high, df, p)))
    return [
        NO_DIFFERENCE if same else e if spread else _without_spread(e.value, patients, lowest)
        for e, same, spread in zip(estimates, equal, varied, strict=True)
    ]


def _without_spread(mean: float, patients: int, lowest: float) -> MrmcEstimate:
    """Return the bound if all patients have the same value: a share ``rest`` of new patients may have any value.

    ``rest`` is the binomial bound of a share that is 0 in the sample; p is the level at which an end is 0.
    """
    rest = 1 - ((1 - LEVEL) / 2) ** (1 / patients)
    low, high = (1 - rest) * mean + rest * lowest, (1 - rest) * mean + rest
    p = min(1.0, max(2 * (1 + abs(mean)) ** -float(patients), np.finfo(float).tiny))
    return MrmcEstimate(mean, low, high, np.inf, p)


def _alone(row: CheckedRow) -> CheckedRow:
    """Return a row as a stack of one row: (1, S) and (1, S, P)."""
    return row[0][None], row[1][None]


def _is_zero(gaps: CheckedRow) -> NDArray[np.bool_]:
    """Return (N,) whether two rows are equal for every run and patient, from their differences."""
    scores, left_out = (np.abs(side) <= NO_SPREAD for side in gaps)
    return np.asarray(scores.all(1) & left_out.all((1, 2)))


def _are_equal(rows: Sequence[CheckedRow]) -> NDArray[np.bool_]:
    """Return (N,) whether all runs of all rows are equal for every patient."""
    scores, left_out = (np.ptp(np.concatenate(side, 1), 1) <= NO_SPREAD for side in zip(*rows, strict=True))
    return np.asarray(scores & left_out.all(1))


def _same_patients(rows: Sequence[Row]) -> list[CheckedRow]:
    checked = [_checked(row) for row in rows]
    counts = [left_out.shape[-1] for _, left_out in checked]
    if len(set(counts)) > 1:
        raise BadValueError(f"the rows have {counts} patients: give the same patients for all rows")
    return checked


def _checked(row: Row) -> CheckedRow:
    scores, left_out = (np.asarray(side, dtype=np.float64) for side in row)
    if not scores.ndim or scores.shape != left_out.shape[:-1] or left_out.shape[-1] < 2:
        shapes = f"scores of shape {scores.shape} and jackknife of shape {left_out.shape}"
        raise BadValueError(f"{shapes}: give (S,) and (S, P) with P of 2 or more")
    if not (np.isfinite(scores).all() and np.isfinite(left_out).all() and len(scores)):
        raise BadValueError("a score or jackknife value is NaN or infinite: leave out that training run or patient")
    return scores, left_out
