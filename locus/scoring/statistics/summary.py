"""From per-case values to scores, per finding and their mean, with n and interval; and groups of cases.

A ``Column`` has a metric's values by case, ``estimate`` resamples it and ``scores`` makes the scores of a record. The
resampling itself is in ``resample``.

A group is a label per case: size, age, co-occurrence, correctness of the classifier, or a field of the data set's
``meta``. Labels depend only on the truth, ``meta`` and the classifier. The label "" means unknown: no group.
``restrict`` limits a column to one group. The subgroups of a record are defined in ``locus.benchmark.maps.subgroups``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from locus.core.scores import Score, ThresholdSource
from locus.core.types import FloatArray
from locus.scoring.statistics import resample

ESTIMATES_PER_BATCH = 16
"""Number of estimates whose intervals are computed together: their resamples fit in the processor's cache."""
NO_DENOMINATOR = "nothing to divide by"
"""Usual reason for a missing value."""

GroupLabels = NDArray[np.str_]
Mask = NDArray[np.bool_]

BOX_SIZE_LIMITS = (0.025, 0.08)
"""Limits of small, medium and large, as shares of the image: thirds of 604 published NIH boxes."""
AGES = (18, 40, 60)
MAX_AGE = 120
"""Years; a higher age is an error in the table and counts as unknown."""
SMALL_TO_LARGE = ("small", "medium", "large")
YOUNG_TO_OLD = ("0-17", "18-39", "40-59", "60+")
CO_OCCURRENCE = ("single", "co-occurring")
CORRECTNESS = ("wrong", "right")
ORDER = (*SMALL_TO_LARGE, *YOUNG_TO_OLD, *CO_OCCURRENCE, *CORRECTNESS)
"""Order of the groups; a data set's own words follow in alphabetical order."""


@dataclass(frozen=True, eq=False)
class Column:
    """A metric by case: its value is the sum of ``numerator`` divided by the sum of ``denominator``, its n."""

    metric: str
    threshold_source: ThresholdSource
    numerator: FloatArray | NDArray[np.bool_]
    """(N,) hit or miss, IoU, number of hit truth boxes …"""
    denominator: FloatArray
    """(N,) 1 per case, number of truth boxes …; 0 if the case does not count."""
    shared: bool = False
    """True if all findings share one population, so that the mean has the same n."""
    reason: str = NO_DENOMINATOR
    """Reason why a finding has no value."""
    is_share: bool = True
    """Whether the value of a case is in [0,1]: if all are 0 or all are 1, the score has the exact binomial bound."""


@dataclass(frozen=True, eq=False)
class FindingEstimates:
    """A metric per finding, with its resamples."""

    metric: str
    threshold_source: ThresholdSource
    value: FloatArray
    """(F,) values, nan where undefined."""
    n: NDArray[np.int64]
    """(F,) populations."""
    samples: resample.Resampled | None
    """Resamples of the (F,) values; None if there is no interval."""
    shared: bool = False
    reason: str = NO_DENOMINATOR
    mean_interval: bool = True
    """True if the mean over findings also has an interval."""
    is_share: bool = False
    """Whether each case has a value in [0,1] and the estimate is their mean: see ``Column``."""
    is_difference: bool = False
    """True for a difference of two estimates: its interval has no width if both are equal in every case."""


def sums(
    columns: Sequence[Column], index: resample.CaseIndex, names: Sequence[str]
) -> resample.Sums:
    """Sum M columns over the cases of ``index`` by patient and by the findings ``names``: (P,F,M)."""
    numerator = np.stack([column.numerator for column in columns], 1)
    denominator = np.stack([column.denominator for column in columns], 1)
    return resample.by_patient(numerator, denominator, index.findings, index.patients, names)


def estimate(
    columns: Sequence[Column], index: resample.CaseIndex, names: Sequence[str], seed: int
) -> list[FindingEstimates]:
    """Return an estimate of each column.

    Args:
        columns: the columns (N,) of the metrics.
        index: findings and patients of the N cases.
        names: the findings, in the order of the scores.
        seed: seed of the resamples.

    Returns:
        One per column, with a value per finding.
    """
    if not len(index):
        undefined = np.full(len(names), np.nan)
        nothing = np.zeros(len(names), dtype=np.int64)
        return [_estimate_of(column, undefined, nothing, samples=None) for column in columns]
    totals = sums(columns, index, names)
    resampled = resample.bootstrap_draws(totals, seed)
    n = totals.denominator.sum(0).round().astype(np.int64)
    return [
        _estimate_of(column, resampled.value[:, i], n[:, i], samples=resampled[:, i])
        for i, column in enumerate(columns)
    ]


def _estimate_of(
    column: Column, value: FloatArray, n: NDArray[np.int64], samples: resample.Resampled | None
) -> FindingEstimates:
    return FindingEstimates(
        metric=column.metric,
        threshold_source=column.threshold_source,
        value=value,
        n=n,
        samples=samples,
        shared=column.shared,
        reason=column.reason,
        is_share=column.is_share,
    )


def difference(first: FindingEstimates, second: FindingEstimates, metric: str) -> FindingEstimates:
    """Return ``first`` − ``second`` on the same cases and resamples, with a new name and the source of ``first``."""
    samples = None
    if first.samples is not None and second.samples is not None:
        samples = first.samples - second.samples
    return FindingEstimates(
        metric=metric,
        threshold_source=first.threshold_source,
        value=first.value - second.value,
        n=first.n,
        samples=samples,
        reason=first.reason,
        is_difference=True,
    )


def scores(estimates: Sequence[FindingEstimates], names: Sequence[str]) -> list[Score]:
    """Return one score per finding, then ``mean``, the unweighted mean over findings with a value; BCa intervals."""
    all_scores = []
    for start in range(0, len(estimates), ESTIMATES_PER_BATCH):
        batch = estimates[start : start + ESTIMATES_PER_BATCH]
        for metric_estimate, ends in zip(batch, _ends(batch), strict=True):
            all_scores += _scores(metric_estimate, names, ends)
    return all_scores


def _ends(estimates: Sequence[FindingEstimates]) -> list[FloatArray]:
    """Return the intervals (F+1,2) of each estimate: of its findings and of their mean, nan without one."""
    ends = [np.full((len(metric_estimate.value) + 1, 2), np.nan) for metric_estimate in estimates]
    pending = []  # samples of all estimates, whose intervals are computed together
    places = []  # and where these intervals are written: views of ``ends``
    for metric_estimate, rows in zip(estimates, ends, strict=True):
        samples = metric_estimate.samples
        if samples is None:
            continue
        pending.append(samples)
        places.append(rows[:-1])
        if metric_estimate.mean_interval:
            pending.append(samples.over(lambda values: resample.mean(values, -1)))
            places.append(rows[-1])
    for ends_of_metric, interval in zip(places, resample.intervals(pending), strict=True):
        ends_of_metric[...] = interval
    return ends


def _scores(estimates: FindingEstimates, names: Sequence[str], ends: FloatArray) -> list[Score]:
    """Return the scores of the findings ``names`` and of their mean, with the intervals ``ends`` (F+1,2)."""
    values = np.append(estimates.value, resample.mean(estimates.value, 0))
    counts = np.append(
        estimates.n, estimates.n.max(initial=0) if estimates.shared else estimates.n.sum()
    )
    if estimates.samples is not None and estimates.is_share:
        present = np.asarray(estimates.samples.present).reshape(-1, len(names))
        patients = np.append(present.sum(0), present.any(1).sum())
        bounds = resample.exact(values, patients)
        ends = np.where(np.isfinite(bounds) & np.isfinite(ends), bounds, ends)
    if not estimates.is_difference:  # without any variation there is no interval
        ends = np.where(ends[:, :1] == ends[:, 1:], np.nan, ends)
    rows = zip([*names, "mean"], values.tolist(), counts.tolist(), ends, strict=True)
    return [
        _score(estimates, finding, value, n, ends_of_score)
        for finding, value, n, ends_of_score in rows
    ]


def _score(
    estimates: FindingEstimates, finding: str, value: float, n: int, ends: FloatArray
) -> Score:
    """Return one score; without a value it has the reason of the estimate."""
    if not np.isfinite(value):
        return Score(
            finding,
            estimates.metric,
            n=n,
            threshold_source=estimates.threshold_source,
            reason=estimates.reason,
        )
    low, high = (None, None) if np.isnan(ends).any() else ends.tolist()
    return Score(finding, estimates.metric, value, low, high, n, estimates.threshold_source)


def size(shares: ArrayLike) -> GroupLabels:
    """Return small, medium or large (N,) for the largest truth box of each case, as a share of the image (N,).

    >>> size([0.01, 0.025, 0.5]).tolist()
    ['small', 'medium', 'large']
    """
    return _bin(shares, BOX_SIZE_LIMITS, SMALL_TO_LARGE)


def age(years: ArrayLike) -> GroupLabels:
    """Return 0-17, 18-39, 40-59 or 60+ (N,) for ages in years (N,); nan is unknown.

    >>> age([17.5, 60, 414, float("nan")]).tolist()
    ['0-17', '60+', '', '']
    """
    ages = np.asarray(years, dtype=np.float64)
    return _bin(np.where((ages >= 0) & (ages <= MAX_AGE), ages, np.nan), AGES, YOUNG_TO_OLD)


def co_occurrence(findings: ArrayLike) -> GroupLabels:
    """Return single or co-occurring (N,) for the number of findings in each case's image (N,); nan is unknown."""
    return _bin(findings, (1.5,), CO_OCCURRENCE)


def prediction_correctness(values: ArrayLike, cut_offs: ArrayLike) -> GroupLabels:
    """Return right (at or above the cut-off) or wrong (N,) for classifier outputs (N,) of present findings."""
    outputs = np.asarray(values, dtype=np.float64)
    needed = np.asarray(cut_offs, dtype=np.float64)
    is_unknown = np.isnan(outputs) | np.isnan(needed)
    is_right = np.where(is_unknown, np.nan, outputs >= needed)
    return _bin(is_right, (0.5,), CORRECTNESS)


def metadata_groups(metas: Sequence[Mapping[str, Any]], name: str) -> GroupLabels:
    """Return one field (view, sex …) of ``Sample.meta`` of each case's image (N,); None and nan are unknown."""
    labels = []
    for meta in metas:
        value = meta.get(name)
        is_unknown = value is None or value != value
        labels.append("" if is_unknown else str(value))
    return np.array(labels, dtype=str)


def masks(labels: GroupLabels) -> dict[str, Mask]:
    """Return group -> mask (N,) of its cases; the order of groups does not depend on the order of the cases."""
    groups = sorted(
        {*labels.tolist()} - {""}, key=lambda label: ((*ORDER, label).index(label), label)
    )
    return {label: labels == label for label in groups}


def restrict(column: Column, mask: Mask) -> Column:
    """Restrict a column to one group: other cases do not count; patients and resamples stay the same."""
    numerator = np.where(mask, column.numerator, 0)
    denominator = np.where(mask, column.denominator, 0)
    return replace(column, numerator=numerator, denominator=denominator)


def _bin(values: ArrayLike, edges: Sequence[float], names: Sequence[str]) -> GroupLabels:
    """Return the name of the range between two edges; a value on an edge belongs to the upper one; nan is unknown."""
    array = np.asarray(values, dtype=np.float64)
    labels = np.asarray(names, dtype=str)[np.searchsorted(edges, array, side="right")]
    return np.where(np.isfinite(array), labels, "")
