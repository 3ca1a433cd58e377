"""Scores in resamples of patients that choose their score thresholds again.

``chosen_again``       scores of a training run whose thresholds are chosen again in each resample
``with_fixed_hits``    scores of a row whose hits stay, such as a baseline, in the same resamples
``means``              scores from the hits of each resample
``as_jackknife``       resamples in the form of a jackknife, so that ``mrmc`` uses their variance
"""

import numpy as np
from numpy.typing import NDArray

from locus.core.types import FloatArray, patient_folds
from locus.scoring.score_thresholds import FOLD_COUNT
from locus.scoring.statistics.resample import CaseIndex, weights

RESAMPLES = 1000
"""Number of resamples."""


def drawn(index: CaseIndex, seed: int = 0) -> NDArray[np.float32]:
    """Return how often each case is drawn in each resample (B,N), by its patient."""
    people, person = np.unique(index.patients, return_inverse=True)
    return weights(len(people), seed)[:RESAMPLES, person].astype(np.float32)


def chosen_again(hits: NDArray[np.bool_], index: CaseIndex, seed: int = 0) -> FloatArray:
    """Return the scores (B,) with thresholds chosen again in each resample, per finding on the patients of other folds.

    ``hits``: (N,T) hits of the cases at T thresholds. ``seed``: that of the patient folds.
    """
    times = drawn(index)
    folds = patient_folds(index.patients.tolist(), FOLD_COUNT, seed)
    at_threshold = np.zeros(times.shape, dtype=np.float32)
    for finding in index.groups(shared=False).values():
        for number in np.unique(folds[finding]):
            scored = finding & (folds == number)
            other_folds = finding & (folds != number)
            counts = times[:, other_folds] @ hits[other_folds].astype(np.float32)
            at_threshold[:, scored] = hits[scored][:, middle_of_best(counts)].T
    return means(at_threshold, times, index)


def with_fixed_hits(hits: FloatArray, index: CaseIndex) -> FloatArray:
    """Return the scores (B,) of the hits (N,) of a row in the same resamples."""
    times = drawn(index)
    return means(np.broadcast_to(hits.astype(np.float32), times.shape), times, index)


def middle_of_best(counts: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the middle (B,) of the lowest range of thresholds with most hits, from ``counts`` (B,T).

    >>> middle_of_best(np.array([[1, 3, 3, 3, 2], [5, 1, 5, 5, 0]], np.float32)).tolist()
    [2, 0]
    """
    is_most = counts == counts.max(-1, keepdims=True)
    first = is_most.argmax(-1)
    is_after = ~is_most & (np.arange(counts.shape[1]) > first[:, None])
    end = np.where(is_after.any(-1), is_after.argmax(-1), counts.shape[1])
    return np.asarray((first + end - 1) // 2)


def means(hits: NDArray[np.float32], times: NDArray[np.float32], index: CaseIndex) -> FloatArray:
    """Return the means (B,) over the findings with a drawn case, of hits (B,N) that count ``times`` (B,N)."""
    shares = []
    for finding in index.groups(shared=False).values():
        total = times[:, finding].sum(1)
        hit_count = (times[:, finding] * hits[:, finding]).sum(1)
        shares.append(
            np.divide(
                hit_count, total, out=np.full(len(hit_count), np.nan, np.float32), where=total > 0
            )
        )
    return np.nanmean(shares, axis=0).astype(np.float64)


def as_jackknife(resamples: FloatArray) -> FloatArray:
    """Scale resamples (S,B) so that the jackknife formula gives their variances and covariances.

    The jackknife variance of B values is (B − 1) / B times the sum of squares, that of resamples the sum of squares
    divided by B − 1.

    >>> values = np.array([[0.1, 0.4, 0.2, 0.5]])
    >>> scaled = as_jackknife(values)[0]
    >>> float(round(3 / 4 * ((scaled - scaled.mean()) ** 2).sum() - values.var(ddof=1), 12))
    0.0
    """
    count = resamples.shape[1]
    middle = resamples.mean(1, keepdims=True)
    return np.asarray(middle + (resamples - middle) * np.sqrt(count) / (count - 1))
