"""Entries of a leaderboard: one recipe and method on one or several trainings, compared on the same patients."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from benchmark.statistics import mrmc
from benchmark.statistics.bootstrap import bootstrap_draws, mean
from benchmark.statistics.intervals import LEVEL, SMALLEST
from benchmark.statistics.mrmc import MrmcEstimate
from benchmark.statistics.patients import Sums
from benchmark.statistics.ranks import probability_of_first
from benchmark.statistics.signflip import holm
from core.seeds import generator
from core.types import FloatArray

ALPHA = 1 - LEVEL
"""The level at which two entries differ, after Holm's correction."""
BAND_RUNS = 3
"""Training runs that ``one_more`` needs: its band holds 93 to 97 % from there on (docs/coverage.md)."""


@dataclass(frozen=True, eq=False)
class EntryScores:
    """The scores of S trainings on P patients, which are the same for all entries of a table."""

    trainings: tuple[str, ...]
    """(S,) what each training is called: the same name, the same network."""
    theta: FloatArray
    """(S,) the score of each."""
    jackknife: FloatArray
    """(S,P) the same with one patient left out."""

    def restrict(self, trainings: Sequence[str]) -> "EntryScores":
        """The scores on some of the trainings, in their order."""
        index = [self.trainings.index(name) for name in trainings]
        return EntryScores(tuple(trainings), self.theta[index], self.jackknife[index])

    @property
    def interval(self) -> MrmcEstimate | None:
        """The mean with its interval over trainings and patients; None for one training or below 10 patients."""
        enough = len(self.theta) > 1 and self.jackknife.shape[1] >= SMALLEST
        return mrmc.interval(self.theta, self.jackknife) if enough else None


def leave_one_out(sums: Sums) -> tuple[FloatArray, FloatArray]:
    """(P,F,M) sums -> (M,) their mean over findings, and (M,P) the same with each patient left out.

    Nothing is chosen again: a finding that a left-out patient empties drops out of that mean.
    """
    return mean(sums.value, 0), mean(sums.without, 1).T


def difference(one: EntryScores, other: EntryScores) -> MrmcEstimate:
    """One − other: paired on the trainings that both have, else nested; by patients alone where a side has only one."""
    if common := [name for name in one.trainings if name in other.trainings]:
        one, other = one.restrict(common), other.restrict(common)
    rows = (one.theta, one.jackknife), (other.theta, other.jackknife)
    if 1 in (len(one.theta), len(other.theta)):
        return mrmc.difference_of_networks(*rows)
    return mrmc.difference(*rows) if common else mrmc.difference_nested(*rows)


def tied(best: EntryScores, others: Sequence[EntryScores]) -> list[bool]:
    """Whether each of the ``others`` does not differ from the ``best``, Holm over all these comparisons.

    Below 10 patients nobody can tell, and all are tied.
    """
    return [tie for tie, _ in behind(best, others)]


def behind(best: EntryScores, others: Sequence[EntryScores]) -> list[tuple[bool, MrmcEstimate | None]]:
    """``tied`` of each of the ``others``, and its difference to the ``best``: None below 10 patients."""
    few = best.jackknife.shape[1] < SMALLEST
    estimates = [None if few else difference(best, other) for other in others]
    adjusted = holm(np.array([np.nan if estimate is None else estimate.p for estimate in estimates]))
    return [(not p <= ALPHA, estimate) for p, estimate in zip(adjusted, estimates, strict=True)]


def one_more(theta: FloatArray) -> tuple[float, float] | None:
    """The 95 % prediction band of one more training run on the same images; None below ``BAND_RUNS`` runs.

    With two runs that agree by chance the band is far too narrow: docs/coverage.md.

    >>> [round(end, 3) for end in one_more(np.array([0.5, 0.6, 0.7]))]
    [0.103, 1.0]
    """
    if len(theta) < BAND_RUNS:
        return None
    low, high = prediction_band(theta).tolist()
    return low, high


def prediction_band(theta: FloatArray) -> FloatArray:
    """(..., S) scores of two or more runs -> (..., 2) mean ± t(S − 1) · sd · √(1 + 1/S), cut at 0 and 1."""
    size = theta.shape[-1]
    reach = special.stdtrit(size - 1, (1 + LEVEL) / 2) * theta.std(-1, ddof=1) * np.sqrt(1 + 1 / size)
    mean = theta.mean(-1)
    return np.asarray(np.clip(np.stack([mean - reach, mean + reach], -1), 0, 1))


def first_of_entries(sums: Sums, methods: int) -> FloatArray:
    """(P,F,K·S) sums of K ``methods``, each on the same S trainings in turn -> (K,) probability of being first.

    Patients are drawn, and trainings: for all methods the same.
    """
    means = mean(bootstrap_draws(sums, 0).samples, -2)
    return probability_of_first(drawn_means(means, sums.numerator.shape[-1] // methods))


def drawn_means(samples: NDArray[np.float32], trainings: int) -> FloatArray:
    """(R,K·S) resamples of K rows, each on the same S trainings in turn -> (R,K) means over trainings drawn anew."""
    each = samples.reshape(len(samples), -1, trainings)
    drawn = generator(0, "trainings").multinomial(trainings, np.full(trainings, 1 / trainings), len(each))
    return np.asarray((each * drawn[:, None]).sum(-1) / trainings)
