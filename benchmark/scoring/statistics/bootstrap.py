"""Bootstrap over patients: 10,000 resamples as one matrix of counts times sums per patient.

A patient drawn twice counts twice. One product computes all findings, metrics, thresholds and cells at once.
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
"""Numbers in a block of temporary weights: 8 MB for any number of patients."""

BLAS = ThreadpoolController()
Counts = NDArray[np.uint8]
Samples = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Resampled:
    """Numbers of any shape ``...``, in each resample and without each patient: the input of an interval."""

    value: FloatArray
    """(...), nan where undefined."""
    samples: Samples
    """(R,...)."""
    without: FloatArray
    """(P,...) the jackknife."""
    present: NDArray[np.bool_]
    """(P,...) patients with a case behind the number."""

    def __getitem__(self, index: Any) -> "Resampled":
        """Select some of the numbers: ``index`` applies to their axes; those of R and P stay."""
        rest = (slice(None), *index) if isinstance(index, tuple) else (slice(None), index)
        return Resampled(self.value[index], self.samples[rest], self.without[rest], self.present[rest])

    def over(self, function: Callable[[Any], Any], axis: int = -1) -> "Resampled":
        """Reduce the numbers along ``axis`` with ``function``: in value, every resample and the jackknife."""
        present: NDArray[np.bool_] = np.logical_or.reduce(self.present, axis=axis)
        return Resampled(function(self.value), function(self.samples), function(self.without), present)

    @classmethod
    def join(cls, resampled: "Sequence[Resampled]") -> "Resampled":
        """(...) each -> (...,n): stack numbers of the same patients and resamples."""
        return cls(*(np.stack([getattr(one, side.name) for one in resampled], -1) for side in fields(cls)))

    def __sub__(self, other: "Resampled") -> "Resampled":
        """Paired differences, on the same patients and resamples; differences from float32 rounding are 0."""
        value, samples = self.value - other.value, self.samples - other.samples
        rounding = 4 * np.finfo(np.float32).eps * (np.abs(self.samples) + np.abs(other.samples))
        samples = np.where(np.abs(samples - value) <= rounding, value, samples).astype(np.float32)
        return Resampled(value, samples, self.without - other.without, self.present | other.present)


@functools.lru_cache(maxsize=2)
def weights(patients: int, seed: int, resamples: int = RESAMPLES) -> Counts:
    """(R,P) how often each patient is drawn in each resample, multinomial; rows sum to P. Seeded, read-only.

    One byte each: the probability that a patient is drawn more than 255 times is below 1e-500.
    """
    random, drawn = generator(seed, "bootstrap"), np.empty((resamples, patients), dtype=np.uint8, order="F")
    for rows in blocks(resamples, patients):
        size = rows.stop - rows.start
        names = random.integers(0, patients, (size, patients))
        names += patients * np.arange(size)[:, None]
        drawn[rows] = np.bincount(names.ravel(), minlength=names.size).reshape(names.shape)
    drawn.setflags(write=False)
    return drawn


def bootstrap_draws(sums: Sums, seed: int = 0) -> Resampled:
    """(P,F,M) sums -> (F,M) ratios of sums, resampled; nan if a resample has no case of the finding.

    Takes 4·R·F·M bytes; ``resample_over`` computes finding by finding. Single-threaded: more threads round differently.
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
    """(M,P') numerators, (P',r) draws -> (M,r), or (1,r) if all columns are equal, as for hits at several IoUs.

    Only where float32 adds exactly, so the bits are the same either way.
    """
    counts = whole.size and whole.shape[1] * whole.max() < 2**24 and (whole == np.rint(whole)).all()
    return (whole[:1] if counts and (whole == whole[:1]).all() else whole) @ times


def resample_over(sums: Sums, function: Callable[[Any], Any], seed: int = 0) -> Resampled:
    """(P,F,M) sums -> (F,): ``bootstrap_draws(sums, seed).over(function)`` finding by finding, in less memory.

    ``function`` reduces the M columns along the last axis: a maximum over thresholds, an average precision.
    """
    single = (Sums(sums.numerator[:, [f]], sums.denominator[:, [f]]) for f in range(sums.numerator.shape[1]))
    return Resampled.join([bootstrap_draws(one, seed).over(function)[0] for one in single])


def mean(values: Any, axis: int) -> Any:
    """Return the unweighted mean along ``axis`` over the defined numbers; nan if there are none.

    >>> mean(np.array([[1.0, np.nan], [0.0, np.nan]]), 0).tolist()
    [0.5, nan]
    """
    defined = np.isfinite(values)
    total, count = np.where(defined, values, 0).sum(axis), defined.sum(axis).astype(values.dtype)
    return ratio(total, count)


def over_findings(columns: Resampled) -> Resampled:
    """(F,M) -> (M,) mean over findings; in each resample over its findings with cases."""
    return columns.over(lambda values: mean(values, -2), -2)


def blocks(rows: int, width: int) -> list[slice]:
    """Split ``rows`` × ``width`` numbers into slices of rows of at most ``BLOCK`` numbers."""
    step = max(1, BLOCK // max(1, width))
    return [slice(start, min(rows, start + step)) for start in range(0, rows, step)]
