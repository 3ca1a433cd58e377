"""Compare two cells or leaderboard entries on the same cases: differences, intervals and p-values, as a table.

Cells are compared over patients, entries over training runs and patients.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from locus.benchmark.scoring.statistics import resample
from locus.benchmark.scoring.statistics.entries import EntryScores, difference
from locus.benchmark.scoring.statistics.summary import Column, sums
from locus.core.errors import BadValueError
from locus.core.scores import Origin
from locus.core.types import FloatArray

Trainings = Mapping[str, Sequence[Column]]
"""Name of a training run -> its columns; equal names on both sides are the same network."""


@dataclass(frozen=True)
class PairedDifference:
    """One metric of one finding (or ``mean``) in two cells."""

    finding: str
    metric: str
    origin: Origin
    n: int
    """Population of the first: number of cases, truth boxes …"""
    first: float | None
    """None if undefined; so are ``second``, ``difference`` and ``p``."""
    second: float | None
    difference: float | None
    """First − second; for ``mean`` over the common findings."""
    low: float | None
    """Lower end of the difference's 95% interval (BCa, the same resamples for both); None below 10 patients."""
    high: float | None
    p: float | None
    """Two-sided p-value of the sign-flip test by patient."""
    adjusted: float | None = None
    """``p`` after Holm's correction over the table given to ``corrected``."""


def compare(
    first: Sequence[Column], second: Sequence[Column], index: resample.CaseIndex, names: Sequence[str], seed: int = 0
) -> list[PairedDifference]:
    """Compare the columns of two cells over the same cases in the same order, per metric and finding or ``mean``.

    Thresholds are fixed. Raises ``BadValueError`` for different columns or cases.
    """
    heads = [[(c.metric, c.origin) for c in columns] for columns in (first, second)]
    if heads[0] != heads[1] or not first or not len(index):
        pair = f"{heads[0]} with {heads[1]} on {len(index)} cases"
        raise BadValueError(f"cannot compare {pair}: give the same columns for the same cases")
    one, two = (sums(columns, index, names) for columns in (first, second))
    values = _table(one, two, seed)
    n = one.denominator.sum(0).round().astype(int)
    counts = np.concatenate([n, [np.where([c.shared for c in first], n.max(0), n.sum(0))]])
    return [
        PairedDifference(name, c.metric, c.origin, int(counts[f, m]), *map(_known, values[f, m]))
        for m, c in enumerate(first)
        for f, name in enumerate([*names, "mean"])
    ]


def _table(one: resample.Sums, two: resample.Sums, seed: int) -> FloatArray:
    """Return (F+1,M,6): first, second, difference, low, high, p; the last row is the mean over findings."""
    both = [resample.bootstrap_draws(side, seed) for side in (one, two)]
    gap = both[0] - both[1]
    values = [np.concatenate([side.value, resample.over_findings(side).value[None]]) for side in (*both, gap)]
    ends = np.concatenate([resample.interval(gap), resample.interval(resample.over_findings(gap))[None]])
    return np.concatenate([np.stack(values, -1), ends, resample.sign_flip(one, two, seed)[..., None]], -1)


def compare_over_trainings(
    first: Trainings, second: Trainings, index: resample.CaseIndex, names: Sequence[str]
) -> list[PairedDifference]:
    """Compare the training runs of two entries over the same cases, per metric and finding or ``mean``.

    Values are means over training runs. Thresholds are fixed.
    """
    columns = [*first.values(), *second.values()]
    comparisons = []
    for metric in range(len(columns[0])):
        of_metric = [training[metric] for training in columns]
        totals = sums(of_metric, index, names)
        theta = np.concatenate([totals.value, resample.mean(totals.value, 0)[None]])  # (F + 1, S + T)
        left_out = np.concatenate([totals.without, resample.mean(totals.without, 1)[:, None]], 1)  # (P, F + 1, S + T)
        counts = totals.denominator[..., 0].sum(0).round().astype(int)
        for f, (finding, n) in enumerate(zip([*names, "mean"], [*counts, counts.sum()], strict=True)):
            one = EntryScores(tuple(first), theta[f, : len(first)], left_out[:, f, : len(first)].T)
            values = _values(one, EntryScores(tuple(second), theta[f, len(first) :], left_out[:, f, len(first) :].T))
            comparisons.append(PairedDifference(finding, of_metric[0].metric, of_metric[0].origin, int(n), *values))
    return comparisons


def _values(one: EntryScores, other: EntryScores) -> tuple[float | None, ...]:
    """Return first, second, difference, low, high, p; None if undefined, the last three also below 10 patients."""
    means = float(one.theta.mean()), float(other.theta.mean())
    if not np.isfinite(means).all():
        return (None,) * 6
    defined = np.isfinite(one.jackknife).all() and np.isfinite(other.jackknife).all()
    if one.jackknife.shape[1] < resample.SMALLEST or not defined:
        return *means, means[0] - means[1], None, None, None
    estimate = difference(one, other)
    return *means, estimate.value, estimate.low, estimate.high, estimate.p


def corrected(table: Sequence[PairedDifference]) -> list[PairedDifference]:
    """Return the comparisons with ``adjusted``: Holm's correction of p over the whole table."""
    p = np.array([np.nan if c.p is None else c.p for c in table])
    return [replace(c, adjusted=_known(value)) for c, value in zip(table, resample.holm(p), strict=True)]


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
