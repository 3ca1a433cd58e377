"""Agreement of two rankings of the same rows: Kendall's tau (Biometrika 30, 1938) with its interval.

``agreement`` compares two data sets with separate training runs and patients.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from locus.benchmark.scoring.statistics.entries import RowSamples
from locus.benchmark.scoring.statistics.resample import LEVEL, ratio, weights
from locus.core.errors import BadValueError
from locus.core.types import FloatArray, generator

DRAWS = 2000


@dataclass(frozen=True)
class RankAgreement:
    """Agreement of two data sets on the order of the same rows."""

    tau: float
    """Kendall's tau-b of the mean scores: 1 for the same order, −1 for the reverse; nan if all rows are tied."""
    low: float
    """95% percentile interval over patients and, if there are several, training runs."""
    high: float
    p: float
    """Exact two-sided p-value of tau for independent orders."""
    rows: int
    """Number of rows; rows that are equal on both sides, such as equal maps, count once."""


def agreement(one: Mapping[str, RowSamples], other: Mapping[str, RowSamples]) -> RankAgreement:
    """Compare how two data sets rank their common rows, from each row's scores by name.

    Raises ``BadValueError`` for fewer than two rows.
    """
    names = [name for name in one if name in other]
    if len(names) < 2:
        raise BadValueError(f"the two data sets share {len(names)} rows: comparing rankings requires at least 2")
    sides = [[side[name] for name in names] for side in (one, other)]
    first, second = (np.array([row.theta.mean() for row in rows]) for rows in sides)
    one_each = _distinct(first, second)
    low, high = _ends(kendall(*(_drawn_means(rows, n)[:, one_each] for n, rows in enumerate(sides))))
    tau = float(kendall(first[one_each], second[one_each]))
    return RankAgreement(tau, low, high, exact_p(first, second), len(one_each))


def _distinct(first: FloatArray, second: FloatArray) -> NDArray[np.int64]:
    """Return the indices of M rows without repetitions: rows that are equal by both metrics, such as equal maps."""
    _, index = np.unique(np.stack([first, second], 1).round(12), axis=0, return_index=True)
    return np.sort(index)


def _ends(tau: FloatArray) -> tuple[float, float]:
    """Return the percentile interval of ``tau`` (R,); nan if nothing is defined."""
    if not np.isfinite(tau).any():
        return np.nan, np.nan
    low, high = np.nanquantile(tau, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def kendall(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return tau-b (...) of two metrics (...,M) of the same M rows; nan if all values of one are tied.

    The result equals SciPy's ``kendalltau``, which computes one pair at a time.

    >>> float(kendall(np.array([0.1, 0.2, 0.3]), np.array([1.0, 3.0, 2.0])).round(3))
    0.333
    """
    a, b = np.triu_indices(first.shape[-1], 1)
    x, y = (np.sign(values[..., a] - values[..., b]) for values in (first, second))
    return ratio((x * y).sum(-1), np.sqrt((x**2).sum(-1) * (y**2).sum(-1)))


def exact_p(first: FloatArray, second: FloatArray) -> float:
    """Return the two-sided p-value of the agreement of two metrics (M,) of the same M rows, for independent orders.

    It is the share of the orders of M rows that agree or disagree at least as much; Kendall, Biometrika 30 (1938). Rows
    that are equal by both metrics, such as equal maps, count once. The value is exact without other ties, too large
    with them.

    >>> round(exact_p(np.arange(4.0), np.arange(4.0)), 4)  # 2 of the 24 orders
    0.0833
    """
    one_each = _distinct(first, second)
    x, y = first[one_each].round(12), second[one_each].round(12)
    pairs = len(x) * (len(x) - 1) // 2
    inversions = np.ones(1)
    for size in range(2, len(x) + 1):
        inversions = np.convolve(inversions, np.ones(size))
    a, b = np.triu_indices(len(x), 1)
    agreeing = abs(np.sum(np.sign(x[a] - x[b]) * np.sign(y[a] - y[b])))
    extreme = np.abs(pairs - 2 * np.arange(len(inversions))) >= agreeing
    return float(inversions[extreme].sum() / inversions.sum())


def _drawn_means(rows: Sequence[RowSamples], seed: int) -> FloatArray:
    """Return the mean scores (R,M) of M rows for drawn patients and training runs; rows of one network share draws."""
    patients, random = rows[0].jackknife.shape[1], generator(seed, "trainings")
    theta, jackknife = (np.concatenate([getattr(row, side) for row in rows]) for side in ("theta", "jackknife"))
    left_out = jackknife.mean(1, keepdims=True) - jackknife
    by_patient = theta[:, None] + (patients - 1) * left_out  # shifted pseudo-values of all runs, (S, P)
    drawn = weights(patients, seed, DRAWS) @ (by_patient.T / patients)
    scores = np.split(drawn, np.cumsum([len(row.runs) for row in rows])[:-1], axis=1)
    sizes = {row.runs: len(row.runs) for row in rows}
    shares = {runs: random.multinomial(n, np.full(n, 1 / n), DRAWS) / n for runs, n in sizes.items()}
    return np.stack([(of_row * shares[row.runs]).sum(1) for row, of_row in zip(rows, scores, strict=True)], 1)
