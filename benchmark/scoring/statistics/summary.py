"""Scores from per-case values: per finding and their mean, with n and interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.scoring.statistics.bootstrap import Resampled, bootstrap_draws, mean
from benchmark.scoring.statistics.intervals import exact, intervals
from benchmark.scoring.statistics.patients import CaseIndex, Sums, by_patient
from core.scores import Origin, Score
from core.types import FloatArray

SHARES = (
    *("hit@", "anyhit@", "peak@", "pointing", "acc@", "maxboxacc", "mean_iou", "energy", "no_energy", "no_overlap"),
    *("unordered", "hit_rate", "center_inside", "out_of_reach", "left_out"),
)
"""Prefixes of metrics whose cases have values in [0,1]: if all are 0 or all 1, they have the exact binomial bound."""
BATCH = 16
"""Number of estimates whose intervals are computed together: their resamples fit in the processor's cache."""
NOTHING = "nothing to divide by"
"""Usual reason for a missing value."""


@dataclass(frozen=True, eq=False)
class Column:
    """A metric by case: its value is the sum of ``numerator`` divided by the sum of ``denominator``, its n."""

    metric: str
    origin: Origin
    numerator: FloatArray | NDArray[np.bool_]
    """(N,) hit or miss, IoU, number of hit truth boxes …"""
    denominator: FloatArray
    """(N,) 1 per case, number of truth boxes …; 0 if the case does not count."""
    shared: bool = False
    """True if all findings share one population, so that the mean has the same n."""
    reason: str = NOTHING
    """Reason why a finding has no value."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """A metric per finding, with its resamples."""

    metric: str
    origin: Origin
    value: FloatArray
    """(F,) values, nan where undefined."""
    n: NDArray[np.int64]
    """(F,) populations."""
    samples: Resampled | None
    """Resamples of the (F,) values; None if there is no interval."""
    shared: bool = False
    reason: str = NOTHING
    mean_interval: bool = True
    """True if the mean over findings also has an interval."""
    is_difference: bool = False
    """True for a difference of two estimates: its interval has no width if both are equal in every case."""


def sums(columns: Sequence[Column], index: CaseIndex, names: Sequence[str]) -> Sums:
    """Sum M columns over the cases of ``index`` by patient and by the findings ``names``: (P,F,M)."""
    numerator, denominator = np.stack([c.numerator for c in columns], 1), np.stack([c.denominator for c in columns], 1)
    return by_patient(numerator, denominator, index.findings, index.patients, names)


def estimate(columns: Sequence[Column], index: CaseIndex, names: Sequence[str], seed: int) -> list[Estimate]:
    """Return an estimate of each column over the cases of ``index``, per finding of ``names``."""
    if not len(index):
        empty, nothing = np.full(len(names), np.nan), np.zeros(len(names), dtype=np.int64)
        return [Estimate(c.metric, c.origin, empty, nothing, None, c.shared, c.reason) for c in columns]
    totals = sums(columns, index, names)
    resampled, n = bootstrap_draws(totals, seed), totals.denominator.sum(0).round().astype(np.int64)
    return [
        Estimate(c.metric, c.origin, resampled.value[:, i], n[:, i], resampled[:, i], c.shared, c.reason)
        for i, c in enumerate(columns)
    ]


def difference(first: Estimate, second: Estimate, metric: str) -> Estimate:
    """Return ``first`` − ``second`` on the same cases and resamples, with a new name and the origin of ``first``."""
    samples = None if first.samples is None or second.samples is None else first.samples - second.samples
    values = first.value - second.value
    return Estimate(metric, first.origin, values, first.n, samples, reason=first.reason, is_difference=True)


def scores(estimates: Sequence[Estimate], names: Sequence[str]) -> list[Score]:
    """Return one score per finding, then ``mean``, the unweighted mean over findings with a value; BCa intervals."""
    parts = [estimates[start : start + BATCH] for start in range(0, len(estimates), BATCH)]
    pairs = (pair for part in parts for pair in zip(part, _ends(part), strict=True))
    return [score for e, ends in pairs for score in _scores(e, names, ends)]


def _ends(estimates: Sequence[Estimate]) -> list[FloatArray]:
    """Return the intervals (F+1,2) of each estimate: of its findings and of their mean, nan without one."""
    pending: list[tuple[FloatArray, Resampled]] = []
    ends = [np.full((len(e.value) + 1, 2), np.nan) for e in estimates]
    for e, rows in zip(estimates, ends, strict=True):
        if e.samples is not None:
            pending.append((rows[:-1], e.samples))
            if e.mean_interval:
                pending.append((rows[-1], e.samples.over(lambda numbers: mean(numbers, -1))))
    for (row, _), values in zip(pending, intervals([samples for _, samples in pending]), strict=True):
        row[...] = values
    return ends


def _scores(e: Estimate, names: Sequence[str], ends: FloatArray) -> list[Score]:
    values, counts = [*e.value, mean(e.value, 0)], [*e.n, e.n.max(initial=0) if e.shared else e.n.sum()]
    if e.samples is not None and e.metric.startswith(SHARES):
        present = np.asarray(e.samples.present).reshape(-1, len(names))
        bounds = exact(np.array(values), np.append(present.sum(0), present.any(1).sum()))
        ends = np.where(np.isfinite(bounds) & np.isfinite(ends), bounds, ends)
    if not e.is_difference:  # without any variation there is no interval
        ends = np.where(ends[:, :1] == ends[:, 1:], np.nan, ends)
    return [_score(e, *one) for one in zip([*names, "mean"], values, counts, ends, strict=True)]


def _score(e: Estimate, finding: str, value: float, n: int, ends: FloatArray) -> Score:
    if not np.isfinite(value):
        return Score(finding, e.metric, n=int(n), threshold_origin=e.origin, reason=e.reason)
    low, high = (None, None) if np.isnan(ends).any() else ends.tolist()
    return Score(finding, e.metric, float(value), low, high, int(n), e.origin)
