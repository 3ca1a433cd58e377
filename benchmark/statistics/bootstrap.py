"""Bootstrap over patients: 10,000 resamples as one matrix of weights times sums per patient.

Images of one patient resemble each other, so patients are drawn, not images; a patient drawn twice counts twice.
"""

import functools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.seeds import generator
from core.types import FloatArray

RESAMPLES = 10_000
SMALLEST = 10
"""Fewer than this many give no interval."""

Weights = NDArray[np.float32]


@functools.lru_cache(maxsize=2)
def weights(patients: int, seed: int, resamples: int = RESAMPLES) -> Weights:
    """(R,P) how often each patient is drawn in each resample; rows sum to P. Seeded, read-only."""
    draws = generator(seed, "bootstrap").multinomial(patients, np.full(patients, 1 / patients), size=resamples)
    drawn = draws.astype(np.float32)
    drawn.setflags(write=False)
    return drawn


def resample(
    part: FloatArray, whole: FloatArray, findings: ArrayLike, patients: ArrayLike, names: tuple[str, ...], seed: int = 0
) -> NDArray[np.float32]:
    """(N,M) parts and wholes of N cases -> (R,F,M) sum of parts / sum of wholes in each resample, per finding of ``names``.

    nan where a resample has nothing to divide by.
    """
    who, code = np.unique(np.asarray(patients), return_inverse=True)
    of = np.asarray(findings)
    drawn = weights(len(who), seed)
    out = np.full((len(drawn), len(names), part.shape[1]), np.nan, dtype=np.float32)
    for place, name in enumerate(names):
        own = of == name
        if own.any():
            out[:, place] = _ratio(part[own], whole[own], code[own], drawn)
    return out


def interval(samples: NDArray[np.float32], n: int) -> tuple[float, float] | None:
    """(R,) resampled values -> the percentile 95 % interval; None for n < 10 and where nothing is defined."""
    defined = samples[np.isfinite(samples)]
    if n < SMALLEST or not len(defined):
        return None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def _ratio(part: FloatArray, whole: FloatArray, code: NDArray[np.intp], drawn: Weights) -> Weights:
    present, inverse = np.unique(code, return_inverse=True)
    used = np.ascontiguousarray(drawn[:, present])
    above, below = (used @ _per_patient(values, inverse, len(present)) for values in (part, whole))
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def _per_patient(values: FloatArray, inverse: NDArray[np.intp], n: int) -> Weights:
    sums = np.zeros((n, values.shape[1]))
    np.add.at(sums, inverse, values)
    return sums.astype(np.float32)
