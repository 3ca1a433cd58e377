"""Two entries of a leaderboard on the same cases: by how much they differ over trainings and patients."""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmark.statistics.bootstrap import mean
from benchmark.statistics.entries import EntryScores, difference
from benchmark.statistics.intervals import SMALLEST
from benchmark.statistics.paired import Comparison
from benchmark.statistics.summary import Column, sums
from core.types import FloatArray

Trainings = Mapping[str, Sequence[Column]]
"""Name of a training -> its columns; the same name on both sides is the same network."""


def compare_over_trainings(
    first: Trainings, second: Trainings, findings: Sequence[str], patients: Sequence[str], names: Sequence[str]
) -> list[Comparison]:
    """The trainings of two entries over the same N cases -> a comparison per metric and finding or ``mean``.

    (N,) ``findings`` and ``patients`` are the cases'; values are means over trainings. Thresholds are held fixed.
    """
    columns = [*first.values(), *second.values()]
    comparisons = []
    for metric in range(len(columns[0])):
        of_metric = [training[metric] for training in columns]
        known = sums(of_metric, findings, patients, names)
        theta = np.concatenate([known.value, mean(known.value, 0)[None]])  # (F + 1, S + T)
        left_out = np.concatenate([known.without, mean(known.without, 1)[:, None]], 1)  # (P, F + 1, S + T)
        counts = known.denominator[..., 0].sum(0).round().astype(int)
        for f, (finding, n) in enumerate(zip([*names, "mean"], [*counts, counts.sum()], strict=True)):
            sides = (list(first), list(second))
            values = _values(theta[f], left_out[:, f].T, *sides)
            comparisons.append(Comparison(finding, of_metric[0].metric, of_metric[0].origin, int(n), *values))
    return comparisons


def _values(
    theta: FloatArray, left_out: FloatArray, first: Sequence[str], second: Sequence[str]
) -> tuple[float | None, ...]:
    """First, second, their difference, its ends and p; None where undefined, and the last three below 10 patients."""
    if not np.isfinite(theta).all():
        return (None,) * 6
    one = EntryScores(tuple(first), theta[: len(first)], left_out[: len(first)])
    other = EntryScores(tuple(second), theta[len(first) :], left_out[len(first) :])
    means = float(one.theta.mean()), float(other.theta.mean())
    if left_out.shape[1] < SMALLEST or not np.isfinite(left_out).all():
        return *means, means[0] - means[1], None, None, None
    estimate = difference(one, other)
    return *means, estimate.value, estimate.low, estimate.high, estimate.p
