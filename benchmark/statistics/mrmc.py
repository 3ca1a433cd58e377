"""Intervals over training seeds and patients: multi-reader multi-case analysis, seeds as readers, patients as cases.

Obuchowski and Rockette, Commun. Stat. Simul. Comput. 24 (1995); degrees of freedom by Hillis, Stat. Med. 26 (2007), 33
(2014). ``theta`` is (S,): a score of S trainings. ``jackknife`` is (S, P): the same scores with one of P patients left
out, the same patients in the same order for all trainings.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from benchmark.statistics.intervals import LEVEL
from core.errors import BadValueError
from core.types import FloatArray


@dataclass(frozen=True)
class MrmcEstimate:
    """A mean over trainings, or the difference of two, with its interval over trainings and patients."""

    value: float
    low: float
    """nan, as ``high``, for one training: nobody knows then what another would give."""
    high: float
    df: float
    """Degrees of freedom of Student's t; infinite where the trainings do not differ."""
    p: float = float("nan")
    """Of a difference: two-sided, against 0."""


Row = tuple[ArrayLike, ArrayLike]
"""``theta`` and ``jackknife``."""


def interval(theta: ArrayLike, jackknife: ArrayLike) -> MrmcEstimate:
    """The mean score over trainings, for a new training and new patients; ends are cut at 0 and 1.

    A mean of exactly 0 or 1 has the binomial bound over patients (Clopper and Pearson, 1934). Raises ``BadValueError``
    for arrays that do not fit each other or hold no number.
    """
    scores, left_out = _checked((theta, jackknife))
    mean, trainings, patients = float(scores.mean()), len(scores), left_out.shape[1]
    if trainings > 1 and mean in (0.0, 1.0):
        reach = 1 - ((1 - LEVEL) / 2) ** (1 / patients)
        return MrmcEstimate(mean, 0.0 if mean == 0 else 1 - reach, reach if mean == 0 else 1.0, np.inf)
    return replace(_cut(_crossed(scores, left_out), 0), p=float("nan"))


def difference(a: Row, b: Row) -> MrmcEstimate:
    """A − B of two rows on the same S trainings, as two methods on one network; ends are cut at ±1.

    Raises ``BadValueError`` for arrays that do not fit each other or hold no number.
    """
    first, left_a, second, left_b = _same_patients(a, b)
    if len(first) != len(second):
        trainings = f"A has {len(first)} trainings, B {len(second)}"
        raise BadValueError(f"{trainings}: give the same of both, or ask difference_nested for other trainings")
    return _cut(_crossed(first - second, left_a - left_b), -1)


def difference_nested(a: Row, b: Row) -> MrmcEstimate:
    """A − B of two rows on other trainings, as two networks, and the same patients; ends are cut at ±1.

    Raises ``BadValueError`` for arrays that do not fit each other or hold no number.
    """
    first, left_a, second, left_b = _same_patients(a, b)
    value, sizes = float(first.mean() - second.mean()), (len(first), len(second))
    if 1 in sizes:
        return MrmcEstimate(value, np.nan, np.nan, np.nan)
    seeds = [scores.var(ddof=1) / len(scores) for scores in (first, second)]
    across = _covariances(left_a, left_b).mean()
    variance = sum(seeds) + max(_between(left_a) + _between(left_b) - 2 * across, 0.0)
    spread = sum(term**2 / (size - 1) for term, size in zip(seeds, sizes, strict=True))
    return _cut(_student(value, variance, variance**2 / spread if spread else np.inf), -1)


def difference_of_networks(a: Row, b: Row) -> MrmcEstimate:
    """A − B of these very trainings, held fixed: patients alone decide, as they must where a side has one training.

    It says nothing of what another training would give. Raises ``BadValueError`` for arrays that do not fit each other
    or hold no number.
    """
    first, left_a, second, left_b = _same_patients(a, b)
    gap = left_a.mean(0, keepdims=True) - left_b.mean(0, keepdims=True)
    return _cut(_student(float(first.mean() - second.mean()), float(_covariances(gap, gap)[0, 0]), np.inf), -1)


def _crossed(scores: FloatArray, left_out: FloatArray) -> MrmcEstimate:
    """A mean over trainings that all patients were scored with."""
    value, trainings = float(scores.mean()), len(scores)
    if trainings == 1:
        return MrmcEstimate(value, np.nan, np.nan, np.nan)
    seeds, patients = scores.var(ddof=1), max(_between(left_out), 0.0)
    df = (seeds + trainings * patients) ** 2 / (seeds**2 / (trainings - 1)) if seeds else np.inf
    return _student(value, seeds / trainings + patients, float(df))


def _between(left_out: FloatArray) -> float:
    """Mean covariance over patients between the scores of two different trainings."""
    covariances = _covariances(left_out, left_out)
    return float(covariances[~np.eye(len(covariances), dtype=bool)].mean())


def _covariances(first: FloatArray, second: FloatArray) -> FloatArray:
    """(S,P), (T,P) -> (S,T) the jackknife's covariances of scores over patients."""
    patients = first.shape[1]
    a, b = (each - each.mean(1, keepdims=True) for each in (first, second))
    return np.asarray((patients - 1) / patients * (a @ b.T))


def _student(value: float, variance: float, df: float) -> MrmcEstimate:
    error = float(np.sqrt(variance))
    reach = float(special.stdtrit(df, (1 + LEVEL) / 2)) * error
    ratio = abs(value) / error if error else (np.inf if value else 0.0)
    return MrmcEstimate(value, value - reach, value + reach, float(df), float(2 * special.stdtr(df, -ratio)))


def _cut(estimate: MrmcEstimate, lowest: float) -> MrmcEstimate:
    """The estimate with its ends clipped to ``lowest`` and 1."""
    low, high = np.clip([estimate.low, estimate.high], lowest, 1).tolist()
    return replace(estimate, low=low, high=high)


def _same_patients(a: Row, b: Row) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    (first, left_a), (second, left_b) = _checked(a), _checked(b)
    if left_a.shape[1] != left_b.shape[1]:
        raise BadValueError(f"A has {left_a.shape[1]} patients, B {left_b.shape[1]}: give the same patients of both")
    return first, left_a, second, left_b


def _checked(row: Row) -> tuple[FloatArray, FloatArray]:
    scores, left_out = (np.asarray(side, dtype=np.float64) for side in row)
    if scores.ndim != 1 or left_out.ndim != 2 or len(scores) != len(left_out) or left_out.shape[1] < 2:
        shapes = f"scores of shape {scores.shape} and jackknife of shape {left_out.shape}"
        raise BadValueError(f"{shapes}: give (S,) and (S, P), P 2 or more")
    if not (np.isfinite(scores).all() and np.isfinite(left_out).all() and len(scores)):
        raise BadValueError("a score or a jackknife value is no number: leave that training or patient out")
    return scores, left_out
