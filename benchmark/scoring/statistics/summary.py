"""From per-case values to scores: per finding and their mean, with n and interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.scoring.statistics.bootstrap import Resampled, bootstrap_draws, mean
from benchmark.scoring.statistics.intervals import exact, intervals
from benchmark.scoring.statistics.patients import CaseIndex, Sums, by_patient
from core.scores import Origin, Score
from core.types import FloatArray

SHARES = ("hit@", "anyhit@", "pointing", "acc@", "center_inside", "out_of_reach", "left_out")
"""Prefixes of metrics that are shares of cases or boxes: at 0 and 1 they have the exact binomial bound."""
BATCH = 16
"""Estimates whose intervals are computed together: their resamples fit in the processor's cache."""
NOTHING = "nothing to divide by"
"""Usual reason for a missing value."""


@dataclass(frozen=True, eq=False)
class Column:
    """A metric by case: its value is sum of ``numerator`` / sum of ``denominator``, the latter its n."""

    metric: str
    origin: Origin
    numerator: FloatArray | NDArray[np.bool_]
    """(N,) counted: hit or not, IoU, hit truth boxes …"""
    denominator: FloatArray
    """(N,) population: 1 per case, truth boxes …; 0 if the case does not count."""
    shared: bool = False
    """Whether all findings share one population, whose n is not added up for the mean."""
    reason: str = NOTHING
    """Reason why a finding has no value."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """A metric per finding, with its resamples."""

    metric: str
    origin: Origin
    value: FloatArray
    """(F,), nan where undefined."""
    n: NDArray[np.int64]
    """(F,)."""
    samples: Resampled | None
    """The (F,) numbers in every resample of the patients; None without an interval."""
    shared: bool = False
    reason: str = NOTHING
    mean_interval: bool = True
    """Whether the mean over findings also has an interval."""


def sums(columns: Sequence[Column], index: CaseIndex, names: Sequence[str]) -> Sums:
    """M columns over the cases of ``index`` -> (P,F,M) sums by patient and finding of ``names``."""
    numerator, denominator = np.stack([c.numerator for c in columns], 1), np.stack([c.denominator for c in columns], 1)
    return by_patient(numerator, denominator, index.findings, index.patients, names)


def estimate(columns: Sequence[Column], index: CaseIndex, names: Sequence[str], seed: int) -> list[Estimate]:
    """Columns over the N cases of ``index`` -> one estimate each, per finding of ``names``."""
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
    """``first`` − ``second`` on the same cases and resamples, under a new name and the first's origin."""
    samples = None if first.samples is None or second.samples is None else first.samples - second.samples
    return Estimate(metric, first.origin, first.value - second.value, first.n, samples, reason=first.reason)


def scores(estimates: Sequence[Estimate], names: Sequence[str]) -> list[Score]:
    """Return one score per finding, then ``mean``, the unweighted mean over findings with a value; BCa intervals."""
    parts = [estimates[start : start + BATCH] for start in range(0, len(estimates), BATCH)]
    pairs = (pair for part in parts for pair in zip(part, _ends(part), strict=True))
    return [score for e, ends in pairs for score in _scores(e, names, ends)]


def _ends(estimates: Sequence[Estimate]) -> list[FloatArray]:
    """(F+1,2) per estimate: the intervals of its findings and of their mean, nan if there is none."""
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
    return [_score(e, *one) for one in zip([*names, "mean"], values, counts, ends, strict=True)]


def _score(e: Estimate, finding: str, value: float, n: int, ends: FloatArray) -> Score:
    fields = {"finding": finding, "metric": e.metric, "n": int(n), "threshold_origin": e.origin}
    if not np.isfinite(value):
        return Score(**fields, reason=e.reason)
    low, high = (None, None) if np.isnan(ends).any() else ends.tolist()
    return Score(**fields, value=float(value), low=low, high=high)
