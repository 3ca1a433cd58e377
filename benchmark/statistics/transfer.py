"""Does one data set rank as another does? Kendall's tau over trainings and patients, and pairs that change places.

The rows are methods on one network (paired: on a data set they share their trainings) or networks (nested). Every data
set has trainings and patients of its own. Kendall, Biometrika 30 (1938).
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.statistics import mrmc
from benchmark.statistics.components import patient_values
from benchmark.statistics.intervals import LEVEL
from benchmark.statistics.patients import ratio
from benchmark.statistics.power import Pairing
from benchmark.statistics.signflip import holm
from core.errors import BadValueError
from core.seeds import generator
from core.types import FloatArray

DRAWS = 2000
Scores = tuple[FloatArray, FloatArray]
"""(S,) the scores of S trainings, and (S,P) the same without each patient."""


@dataclass(frozen=True)
class Agreement:
    """How two data sets agree on the order of some rows."""

    tau: float
    """Kendall's tau-b of the mean scores: 1 the same order, −1 the reverse."""
    low: float
    """95 % percentile interval over drawn trainings and patients; of one training, over patients alone."""
    high: float
    names: tuple[str, ...]
    """The rows that both have."""
    swapped: tuple[tuple[str, str], ...]
    """Pairs of which the first is better on the one data set and worse on the other, each beyond chance."""


def agreement(one: Mapping[str, Scores], other: Mapping[str, Scores], pairing: Pairing, seed: int = 0) -> Agreement:
    """The rows' scores on two data sets, by name -> how the two rank those that both have.

    A pair has swapped where both differences exclude 0, in opposite directions, by MRMC and Holm's correction over all
    pairs on both data sets; with one training there is no such test. Raises ``BadValueError`` for fewer than two rows.
    """
    names = tuple(name for name in one if name in other)
    if len(names) < 2:
        raise BadValueError(f"two data sets share {len(names)} rows: a ranking needs two or more")
    sides = [[side[name] for name in names] for side in (one, other)]
    means = [np.array([theta.mean() for theta, _ in rows]) for rows in sides]
    drawn = [_drawn_means(rows, pairing, f"{seed} {n}") for n, rows in enumerate(sides)]
    low, high = np.nanquantile(kendall(*drawn), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Agreement(float(kendall(*means)), float(low), float(high), names, _swapped(names, sides, pairing))


def kendall(first: FloatArray, second: FloatArray) -> FloatArray:
    """(...,M) values, twice, of the same M rows -> (...) tau-b of each; nan where one side ties throughout.

    Equal to SciPy's ``kendalltau``, which takes one pair at a time.

    >>> float(kendall(np.array([0.1, 0.2, 0.3]), np.array([1.0, 3.0, 2.0])).round(3))
    0.333
    """
    a, b = np.triu_indices(first.shape[-1], 1)
    x, y = (np.sign(values[..., a] - values[..., b]) for values in (first, second))
    return ratio((x * y).sum(-1), np.sqrt((x**2).sum(-1) * (y**2).sum(-1)))


def _drawn_means(rows: Sequence[Scores], pairing: Pairing, name: str) -> FloatArray:
    """(R,M) mean scores of M rows when patients are drawn, and trainings: of paired rows the same ones."""
    random, patients = generator(name, "transfer"), rows[0][1].shape[1]
    weights = random.multinomial(patients, np.full(patients, 1 / patients), DRAWS) / patients
    by_training = [weights @ patient_values(*row).T for row in rows]  # (R, S) each
    drawn: list[FloatArray] = []
    for scores in by_training:
        count = scores.shape[1]
        if pairing == "nested" or not drawn:
            shares = random.multinomial(count, np.full(count, 1 / count), DRAWS) / count
        drawn.append((scores * shares).sum(1))
    return np.stack(drawn, 1)


def _swapped(names: Sequence[str], sides: Sequence[Sequence[Scores]], pairing: Pairing) -> tuple[tuple[str, str], ...]:
    test = mrmc.difference if pairing == "paired" else mrmc.difference_nested
    pairs = list(itertools.combinations(range(len(names)), 2))
    estimates = [[test(*rows[a], *rows[b]) for a, b in pairs] for rows in sides]
    p = holm(np.array([[e.p for e in row] for row in estimates]))
    signs = np.sign([[e.value for e in row] for row in estimates]) * (p < 1 - LEVEL)
    opposite = np.flatnonzero(signs[0] * signs[1] < 0)
    ordered = ((pairs[n] if signs[0][n] > 0 else pairs[n][::-1]) for n in opposite)
    return tuple((names[a], names[b]) for a, b in ordered)
