"""Bootstrap over patients: 10,000 resamples as one matrix of counts times sums per patient.

A patient drawn twice counts twice. One product serves every finding, metric, threshold and cell at once.
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
"""Numbers in a block of temporary weights: 8 MB, whatever the number of patients."""

BLAS = ThreadpoolController()
Counts = NDArray[np.uint8]
Samples = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Resampled:
    """Numbers of any shape ``...`` with all that an interval needs: in each resample, and without each patient."""

    value: FloatArray
    """(...), nan where undefined."""
    samples: Samples
    """(R,...)."""
    without: FloatArray
    """(P,...) the jackknife."""
    present: NDArray[np.bool_]
    """(P,...) which patients a number rests on."""

    def __getitem__(self, index: Any) -> "Resampled":
        """Some of the numbers: ``index`` works on their own axes, those of R and P stay."""
        rest = (slice(None), *index) if isinstance(index, tuple) else (slice(None), index)
        return Resampled(self.value[index], self.samples[rest], self.without[rest], self.present[rest])

    def over(self, function: Callable[[Any], Any], axis: int = -1) -> "Resampled":
        """A number made of those along ``axis``: ``function`` of them in value, every resample and the jackknife."""
        present: NDArray[np.bool_] = np.logical_or.reduce(self.present, axis=axis)
        return Resampled(function(self.value), function(self.samples), function(self.without), present)

    @classmethod
    def join(cls, each: "Sequence[Resampled]") -> "Resampled":
        """(...) each -> (...,n): numbers of the same patients and resamples, side by side."""
        return cls(*(np.stack([getattr(one, side.name) for one in each], -1) for side in fields(cls)))

    def __sub__(self, other: "Resampled") -> "Resampled":
        """Paired differences, on the same patients and resamples; what only float32 rounds apart is equal."""
        value, samples = self.value - other.value, self.samples - other.samples
        rounding = 4 * np.finfo(np.float32).eps * (np.abs(self.samples) + np.abs(other.samples))
        samples = np.where(np.abs(samples - value) <= rounding, value, samples).astype(np.float32)
        return Resampled(value, samples, self.without - other.without, self.present | other.present)


@functools.lru_cache(maxsize=2)
def weights(patients: int, seed: int, resamples: int = RESAMPLES) -> Counts:
    """(R,P) how often each patient is drawn in each resample, multinomial; rows sum to P. Seeded, read-only.

    One byte each: that a patient is drawn more than 255 times has a probability below 1e-500.
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
    """(P,F,M) sums -> (F,M) ratios of sums, resampled; nan where a resample has no case of the finding.

    Takes 4·R·F·M bytes; ``resample_over`` goes finding by finding. On one thread: more would round otherwise.
    """
    drawn = weights(len(sums.numerator), seed)
    # (F, M, R): a column is sorted later
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
    """(M,P') what counts, (P',r) how often -> (M,r), or (1,r) where all columns count the same, as hits at IoUs do.

    Only where float32 adds exactly: the same bits either way.
    """
    counts = whole.size and whole.shape[1] * whole.max() < 2**24 and (whole == np.rint(whole)).all()
    return (whole[:1] if counts and (whole == whole[:1]).all() else whole) @ times


def resample_over(sums: Sums, function: Callable[[Any], Any], seed: int = 0) -> Resampled:
    """(P,F,M) sums -> (F,): ``bootstrap_draws(sums, seed).over(function)`` finding by finding, in less memory.

    ``function`` makes one number of the M columns along the last axis: a maximum over thresholds, an average precision.
    """
    single = (Sums(sums.numerator[:, [f]], sums.denominator[:, [f]]) for f in range(sums.numerator.shape[1]))
    return Resampled.join([bootstrap_draws(one, seed).over(function)[0] for one in single])


def mean(values: Any, axis: int) -> Any:
    """Unweighted mean along ``axis`` over the numbers that are defined; nan where none is.

    >>> mean(np.array([[1.0, np.nan], [0.0, np.nan]]), 0).tolist()
    [0.5, nan]
    """
    defined = np.isfinite(values)
    total, count = np.where(defined, values, 0).sum(axis), defined.sum(axis).astype(values.dtype)
    return ratio(total, count)


def over_findings(columns: Resampled) -> Resampled:
    """(F,M) -> (M,) the mean over findings, each resample's over those that it has."""
    return columns.over(lambda values: mean(values, -2), -2)


def blocks(rows: int, width: int) -> list[slice]:
    """``rows`` × ``width`` numbers cut into runs of rows of at most ``BLOCK`` numbers."""
    step = max(1, BLOCK // max(1, width))
    return [slice(start, min(rows, start + step)) for start in range(0, rows, step)]
