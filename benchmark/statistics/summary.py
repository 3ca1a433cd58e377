"""From per-case values to scores: per finding and their mean, with n and interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.records.record import Origin, Score
from benchmark.statistics.bootstrap import interval, resample
from core.types import FloatArray


@dataclass(frozen=True, eq=False)
class Column:
    """A metric case by case: its value is sum of ``part`` / sum of ``whole``, its n is the sum of ``whole``."""

    metric: str
    origin: Origin
    part: FloatArray | NDArray[np.bool_]
    """(N,) what counts: hit or not, IoU, hit truth boxes …"""
    whole: FloatArray
    """(N,) what it is counted against: 1 per case, truth boxes …; 0 where the case has no say."""
    shared: bool = False
    """Whether all findings are counted against one population, whose n is not added up for the mean."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """A metric per finding, with its resamples."""

    metric: str
    origin: Origin
    value: FloatArray
    """(F,), nan where undefined."""
    n: NDArray[np.int64]
    """(F,)."""
    samples: NDArray[np.float32] | None
    """(R,F); None where no interval is given."""
    shared: bool = False


def estimate(
    columns: Sequence[Column], findings: Sequence[str], patients: Sequence[str], names: Sequence[str], seed: int
) -> list[Estimate]:
    """Columns over N cases with (N,) ``findings`` and ``patients`` -> one estimate each, per finding of ``names``."""
    if not len(findings):
        empty, nothing = np.full(len(names), np.nan), np.zeros(len(names), dtype=np.int64)
        return [Estimate(c.metric, c.origin, empty, nothing, None, c.shared) for c in columns]
    part, whole = (np.stack([getattr(c, side) for c in columns], 1).astype(np.float64) for side in ("part", "whole"))
    samples = resample(part, whole, findings, patients, tuple(names), seed)
    member = np.asarray(names)[:, None] == np.asarray(findings)[None]  # (F, N)
    above, below = member @ part, member @ whole
    value = np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
    n = below.round().astype(np.int64)
    return [Estimate(c.metric, c.origin, value[:, i], n[:, i], samples[:, :, i], c.shared) for i, c in enumerate(columns)]


def difference(first: Estimate, second: Estimate, metric: str) -> Estimate:
    """``first`` − ``second`` on the same cases and resamples, under a new name and the first's origin."""
    paired = first.samples is not None and second.samples is not None
    samples = np.subtract(first.samples, second.samples) if paired else None  # type: ignore[arg-type]
    return Estimate(metric, first.origin, first.value - second.value, first.n, samples)


def scores(estimates: Sequence[Estimate], names: Sequence[str]) -> list[Score]:
    """One score per finding, then ``mean``, the unweighted mean over the findings that have a value."""
    return [score for estimate in estimates for score in [*_per_finding(estimate, names), _mean(estimate)]]


def _per_finding(e: Estimate, names: Sequence[str]) -> list[Score]:
    columns = [None] * len(names) if e.samples is None else list(e.samples.T)
    return [_score(e, name, e.value[i], int(e.n[i]), columns[i]) for i, name in enumerate(names)]


def _mean(e: Estimate) -> Score:
    defined = np.isfinite(e.value)
    n = int(e.n.max(initial=0) if e.shared else e.n.sum())
    value = e.value[defined].mean() if defined.any() else np.nan
    return _score(e, "mean", value, n, None if e.samples is None else _mean_defined(e.samples[:, defined]))


def _mean_defined(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """(R,F) -> (R,) mean over the findings that a resample has; nan where it has none."""
    there = np.isfinite(samples)
    count = there.sum(1)
    return np.divide(np.where(there, samples, 0).sum(1), count, out=np.full(len(samples), np.nan, np.float32), where=count > 0)


def _score(e: Estimate, finding: str, value: float, n: int, samples: NDArray[np.float32] | None) -> Score:
    known = {"finding": finding, "metric": e.metric, "n": n, "threshold_origin": e.origin}
    if not np.isfinite(value):
        return Score(**known, reason="nothing to divide by")
    ends = None if samples is None else interval(samples, n)
    low, high = ends or (None, None)
    return Score(**known, value=float(value), low=low, high=high)
