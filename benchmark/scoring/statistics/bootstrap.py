"""Bootstrap over patients: 10,000 resamples, computed as a matrix of counts times the sums per patient.

A patient drawn twice counts twice. One matrix product computes all findings, metrics, thresholds and cells.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from benchmark.scoring.statistics.patients import Sums, ratio
from core.seeds import generator
from core.types import FloatArray

RESAMPLES = 10_000
BLOCK = 2**21
"""Size of a block of temporary weights: 8 MB for any number of patients."""

BLAS = ThreadpoolController()
ONE_BLAS_THREAD = BLAS.wrap(limits=1, user_api="blas")
"""Decorator: several threads change rounding, and are slower for products of small matrices."""
Counts = NDArray[np.uint8]
Samples = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Resampled:
    """Values of any shape ``...`` with their resamples and their jackknife by patient: the input of an interval."""

    value: FloatArray
    """(...) values, nan where undefined."""
    samples: Samples
    """(R,...) values in each resample."""
    without: FloatArray
    """(P,...) values without each patient (jackknife)."""
    present: NDArray[np.bool_]
    """(P,...) True for patients with a case of the value."""

    def __getitem__(self, index: Any) -> "Resampled":
        """Select some of the values; ``index`` applies to the axes ``...``."""
        rest = (slice(None), *index) if isinstance(index, tuple) else (slice(None), index)
        return Resampled(self.value[index], self.samples[rest], self.without[rest], self.present[rest])

    def over(self, function: Callable[[Any], Any], axis: int = -1) -> "Resampled":
        """Reduce the values, the resamples and the jackknife along ``axis`` with ``function``."""
        present: NDArray[np.bool_] = np.logical_or.reduce(self.present, axis=axis)
        return Resampled(function(self.value), function(self.samples), function(self.without), present)

    @classmethod
    def join(cls, resampled: "Sequence[Resampled]") -> "Resampled":
        """Stack n values (...) of the same patients and resamples: (...,n)."""
        return cls(*(np.stack([getattr(one, side.name) for one in resampled], -1) for side in fields(cls)))

    def __sub__(self, other: "Resampled") -> "Resampled":
        """Return paired differences, on the same patients and resamples; differences below float32 rounding are 0."""
        value, samples = self.value - other.value, self.samples - other.samples
        rounding = 4 * np.finfo(np.float32).eps * (np.abs(self.samples) + np.abs(other.samples))
        samples = np.where(np.abs(samples - value) <= rounding, value, samples).astype(np.float32)
        return Resampled(value, samples, self.without - other.without, self.present | other.present)


@functools.lru_cache(maxsize=2)
def weights(patients: int, seed: int) -> Counts:
    """Return how often each patient is drawn in each resample (R,P), read-only; rows sum to P.

    One byte is enough: the probability that a patient is drawn more than 255 times is below 1e-500.
    """
    random, drawn = generator(seed, "bootstrap"), np.empty((RESAMPLES, patients), dtype=np.uint8, order="F")
    for rows in blocks(RESAMPLES, patients):
        size = rows.stop - rows.start
        names = random.integers(0, patients, (size, patients))
        names += patients * np.arange(size)[:, None]
        drawn[rows] = np.bincount(names.ravel(), minlength=names.size).reshape(names.shape)
    drawn.setflags(write=False)
    return drawn


def bootstrap_draws(sums: Sums, seed: int = 0) -> Resampled:
    """Resample the ratios (F,M) of ``sums`` (P,F,M); nan if a resample has no case of the finding.

    Needs 4·R·F·M bytes of memory; ``resample_over`` needs less. One thread computes, because more round differently.
    """
    drawn = weights(len(sums.numerator), seed)
    # (F, M, R): columns are sorted later
    samples = np.full((*sums.numerator.shape[1:], len(drawn)), np.nan, dtype=np.float32)
    with BLAS.limit(limits=1, user_api="blas"):
        for finding in range(len(samples)):
            drawable = np.flatnonzero(sums.denominator[:, finding].any(1))
            part, whole = (side[drawable, finding].T.astype(np.float32) for side in (sums.numerator, sums.denominator))
            for rows in blocks(len(drawn), len(drawable)):
                times = drawn[rows, drawable].T.astype(np.float32)  # (P', r)
                totals = _totals(whole, times)
                totals[totals == 0] = np.nan  # 0/0 is never 0
                np.divide(part @ times, totals, out=samples[finding, :, rows])
    return Resampled(sums.value, np.moveaxis(samples, -1, 0), sums.without, sums.present)


def _totals(whole: Samples, times: Samples) -> Samples:
    """Multiply ``whole`` (M,P') by draws (P',r): (M,r), or (1,r) if all M rows are equal, as for hits at several IoUs.

    The shorter result is used only if float32 adds exactly, so that both give the same bits.
    """
    counts = whole.size and whole.shape[1] * whole.max() < 2**24 and (whole == np.rint(whole)).all()
    return (whole[:1] if counts and (whole == whole[:1]).all() else whole) @ times


def resample_over(sums: Sums, function: Callable[[Any], Any], seed: int = 0) -> Resampled:
    """Return ``bootstrap_draws(sums, seed).over(function)`` (F,), computed finding by finding in less memory.

    ``function`` reduces the M columns along the last axis, for example to the maximum over thresholds.
    """
    single = (Sums(sums.numerator[:, [f]], sums.denominator[:, [f]]) for f in range(sums.numerator.shape[1]))
    return Resampled.join([bootstrap_draws(one, seed).over(function)[0] for one in single])


def mean(values: Any, axis: int) -> Any:
    """Return the unweighted mean of the finite ``values`` along ``axis``; nan if there are none.

    >>> mean(np.array([[1.0, np.nan], [0.0, np.nan]]), 0).tolist()
    [0.5, nan]
    """
    defined = np.isfinite(values)
    total, count = np.where(defined, values, 0).sum(axis), defined.sum(axis).astype(values.dtype)
    return ratio(total, count)


def over_findings(columns: Resampled) -> Resampled:
    """Return the mean (M,) over findings of ``columns`` (F,M); in each resample, over its findings with cases."""
    return columns.over(lambda values: mean(values, -2), -2)


def blocks(rows: int, width: int) -> list[slice]:
    """Split a table of ``rows`` × ``width`` numbers into slices of rows with at most ``BLOCK`` numbers."""
    step = max(1, BLOCK // max(1, width))
    return [slice(start, min(rows, start + step)) for start in range(0, rows, step)]
