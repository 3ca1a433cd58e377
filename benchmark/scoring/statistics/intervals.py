"""95% intervals from resamples, bias-corrected and accelerated (BCa).

Efron, "Better bootstrap confidence intervals", JASA 82 (1987); Efron and Tibshirani, "An introduction to the
bootstrap", 1993, equations 14.9 to 14.15: percentiles at Φ(z0 + (z0 + z)/(1 − a(z0 + z))), where z0 measures the median
bias of the resamples and a, from the jackknife by patient, how the standard error changes with the value.

Coverage of the 95% interval of a share (10,000 simulations each, shares .2 to .8, 1 to 5 images per patient,
correlation 1/4), in per cent by the number of patients:

patients     10    20    50    100   200
BCa          91.2  93.7  94.5  94.9  95.1
percentile   89.4  92.1  93.9  94.7  95.0

A maximum over thresholds that is chosen again in each resample (``oracle``) has a bias that its interval does not
cover: with 120 patients BCa covers the true share at the best threshold in 90% of runs, percentile in 75%; for the
mean of eight such maxima in 44% and 1% (150 simulations).
"""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.scoring.statistics.bootstrap import Resampled, Samples
from core.types import FloatArray

SMALLEST = 10
"""Smallest number of patients with an interval."""
LEVEL = 0.95

_NORMAL = NormalDist()
_quantile = np.vectorize(_NORMAL.inv_cdf, otypes=[np.float64])
_share = np.vectorize(_NORMAL.cdf, otypes=[np.float64])


def interval(of: Resampled) -> FloatArray:
    """Return the lower and upper end (...,2) of values (...); nan below 10 patients and if nothing is defined.

    Undefined resamples are left out. If all resamples agree (every case is a hit), both ends are the value; see
    ``exact``. A value outside the middle 95% of its resamples has no interval, because its bias is larger than its
    spread. So every interval contains its value.
    """
    return intervals([of])[0]


def intervals(resampled: Sequence[Resampled]) -> list[FloatArray]:
    """Return ``interval`` of each, equal bit for bit, computed together in half of the time."""
    if not resampled:
        return []
    enough = [_flat(of.present).sum(0) >= SMALLEST for of in resampled]
    rows = [_of_enough(of, mask) for of, mask in zip(resampled, enough, strict=True)]
    samples, value, a = (np.concatenate(side) for side in zip(*rows, strict=True))
    samples.sort(axis=-1)  # nan last
    defined, z0 = np.isfinite(samples).sum(1), bias(samples, value)
    held = _at(samples, defined, _tails(z0, a))
    held[(defined == 0) | (np.abs(z0) > _NORMAL.inv_cdf((1 + LEVEL) / 2))] = np.nan
    ends = np.full((sum(map(len, enough)), 2), np.nan)
    ends[np.concatenate(enough)] = held
    parts = np.split(ends, np.cumsum([of.value.size for of in resampled])[:-1])
    return [part.reshape(*of.value.shape, 2) for part, of in zip(parts, resampled, strict=True)]


def _of_enough(of: Resampled, mask: NDArray[np.bool_]) -> tuple[Samples, FloatArray, FloatArray]:
    """Return samples (C',R), values (C',) and accelerations (C',) of the C' values in the mask."""
    samples = np.moveaxis(of.samples, 0, -1).reshape(of.value.size, -1)
    return (
        samples if mask.all() else samples[mask],
        of.value.ravel()[mask],
        acceleration(_flat(of.without))[mask],
    )


def _flat(values: NDArray[Any]) -> NDArray[Any]:
    """Reshape (P,...) to (P,C)."""
    return values.reshape(len(values), -1)


def exact(value: FloatArray, patients: NDArray[np.int64]) -> FloatArray:
    """Return the binomial bounds (F,2) of shares (F,) that are exactly 0 or 1, where all resamples agree.

    Clopper and Pearson (1934): 0 of n patients gives an upper end of 1 − .025^(1/n). Other shares, and fewer than 10
    patients, give nan.

    >>> exact(np.array([0.0, 1.0, 0.5]), np.array([11, 11, 11])).round(3).tolist()
    [[0.0, 0.285], [0.715, 1.0], [nan, nan]]
    """
    bound = ((1 - LEVEL) / 2) ** (1 / np.maximum(patients, 1))
    ends = np.full((len(value), 2), np.nan)
    ends[value == 0] = np.stack([np.zeros_like(bound), 1 - bound], 1)[value == 0]
    ends[value == 1] = np.stack([bound, np.ones_like(bound)], 1)[value == 1]
    ends[patients < SMALLEST] = np.nan
    return ends


def bias(ordered: Samples, value: FloatArray) -> FloatArray:
    """Return z0 (C,): the rank of each value (C,) among its ascending samples (C,R); ties count half.

    Shares are discrete, so ties are frequent. Samples are float32: values that differ in the last two bits are equal.
    Outside all samples the rank is half a sample, since Φ⁻¹(0) is infinite.
    """
    slack = 4 * np.finfo(np.float32).eps * np.abs(value)
    below, above = (ordered < (value - slack)[:, None]).sum(1), (ordered > (value + slack)[:, None]).sum(1)
    defined = np.maximum(np.isfinite(ordered).sum(1), 1)
    share = 0.5 + (below - above) / (2 * defined)
    return _quantile(np.clip(share, 0.5 / defined, 1 - 0.5 / defined))


def acceleration(without: FloatArray) -> FloatArray:
    """Return a (C,) = Σd³ / (6 (Σd²)^1.5), where d = mean − value of the jackknife (P,C); 0 if all values agree.

    >>> float(acceleration(np.array([[0.0], [0.0], [0.0], [4.0]]))[0].round(6))  # d = 1, 1, 1, -3: -24 / (6 · 12^1.5)
    -0.096225
    """
    defined = np.isfinite(without)
    defined_values = np.where(defined, without, 0)
    d = np.where(defined, defined_values.sum(0) / np.maximum(defined.sum(0), 1) - defined_values, 0)
    scale = np.abs(d).max(0, initial=0)
    d = np.divide(d, scale, out=np.zeros_like(d), where=scale > 0)
    squares = (d**2).sum(0)
    return np.divide((d**3).sum(0), 6 * squares**1.5, out=np.zeros_like(squares), where=squares > 0)


def _tails(z0: FloatArray, a: FloatArray) -> FloatArray:
    """Return the BCa shares (C,2) of the two tails; the denominator is positive, since |a| < 1/6 and |z0 + z| < 6."""
    z = z0[:, None] + _quantile([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return _share(z0[:, None] + z / (1 - a[:, None] * z))


def _at(ordered: Samples, defined: NDArray[np.int64], shares: FloatArray) -> FloatArray:
    """Return the percentiles (C,2) of ascending samples (C,R) at the ``shares`` (C,2), linear between neighbours."""
    position = shares * (np.maximum(defined, 1) - 1)[:, None]
    floor, ceiling = np.floor(position).astype(np.int64), np.ceil(position).astype(np.int64)
    low, high = (np.take_along_axis(ordered, index, 1).astype(np.float64) for index in (floor, ceiling))
    return low + (position - floor) * (high - low)
