"""Compare published shares of hits with rows per case. Of a published share, only the number of cases is known.

``independent_difference``   mean over findings of published shares minus that of resampled shares, with its interval
``least_certain``            shares by finding with a given mean and the largest variance, if only the mean is published
"""

from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from locus.benchmark.scoring.statistics.resample import LEVEL, Resampled
from locus.core.types import FloatArray

Mark = Literal["above", "level", "below", ""]
"""Whether an interval of a difference is above 0, contains it, or is below it; empty without an interval."""
STEPS = 60
"""Bisection steps: more than the bits of a float64."""


class Gap(NamedTuple):
    """A difference with its 95% interval; nan for unknown ends."""

    difference: float
    low: float = float("nan")
    high: float = float("nan")

    @property
    def mark(self) -> Mark:
        """Above, level or below.

        >>> Gap(0.2, 0.1, 0.3).mark, Gap(0.2, -0.1, 0.5).mark, Gap(0.2).mark
        ('above', 'level', '')
        """
        if not np.isfinite([self.low, self.high]).all():
            return ""
        return "above" if self.low > 0 else "below" if self.high < 0 else "level"


def independent_difference(published: ArrayLike, counts: ArrayLike, other: Resampled) -> Gap:
    """Return the mean of published shares minus the mean of ``other`` (F,), with a 95% interval.

    A published share of n cases is binomial, that of ``other`` is resampled by patient, and the two are taken as
    independent: d ± 1.96 √(Σ p(1 − p)/n / F² + s²), where s is the standard deviation of the resampled mean. If both
    were scored on the same cases they are correlated, which makes the interval too wide rather than too narrow.

    Args:
        published: (F,) shares by finding, or their mean alone, a number; then the shares of ``least_certain`` give
            the widest interval.
        counts: (F,) cases behind each share; 0 means unknown, and then there is no interval.
        other: (F,) shares of the same findings.

    >>> of_patients = np.repeat([[0.5], [0.3]], 50, 0)  # two findings, resampled: mean .4, standard deviation .1
    >>> box = Resampled(np.array([0.4]), of_patients, of_patients, of_patients > 0)
    >>> gap = independent_difference([0.5], [100], box)  # .1 ± 1.96 √(.25/100 + .1²) = .1 ± .219
    >>> [round(end, 3) for end in gap], gap.mark
    ([0.1, -0.119, 0.319], 'level')
    """
    given, n = (np.asarray(values, dtype=np.float64) for values in (published, counts))
    difference = float(given.mean() - other.value.mean())
    if (n <= 0).any():
        return Gap(difference)
    shares = least_certain(float(given), n) if given.ndim == 0 else given
    variance = (shares * (1 - shares) / n).sum() / len(n) ** 2 + other.samples.astype(np.float64).mean(1).var()
    reach = NormalDist().inv_cdf((1 + LEVEL) / 2) * float(np.sqrt(variance))
    return Gap(difference, difference - reach, difference + reach)


def least_certain(mean: float, counts: FloatArray) -> FloatArray:
    """Return the shares (F,) in [0,1] with this ``mean`` that maximize Σ p(1 − p)/n, for ``counts`` n (F,).

    At the maximum (1 − 2p)/n is the same for all findings whose share is between 0 and 1.

    >>> least_certain(0.25, np.array([100.0, 100.0])).round(6).tolist()
    [0.25, 0.25]
    >>> least_certain(0.4, np.array([100.0, 300.0])).round(6).tolist()  # .1/100 = .3/300
    [0.45, 0.35]
    """
    low, high = -1 / counts.min(), 1 / counts.min()
    for _ in range(STEPS):
        middle = (low + high) / 2
        if np.clip((1 - middle * counts) / 2, 0, 1).mean() > mean:
            low = middle
        else:
            high = middle
    return np.clip((1 - high * counts) / 2, 0, 1)
