"""Compare leaderboard entries (one recipe and method on one or several training runs) on the same patients."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from locus.benchmark.scoring.statistics import mrmc, resample
from locus.benchmark.scoring.statistics.mrmc import MrmcEstimate
from locus.benchmark.scoring.statistics.resample import LEVEL, SMALLEST, CaseGroups, Sums, holm, mean
from locus.core.types import FloatArray

ALPHA = 1 - LEVEL
"""Significance level for the difference between two entries, after Holm's correction."""
WIDTH = 64
"""Number of columns that ``leave_one_out`` computes at a time."""


@dataclass(frozen=True, eq=False)
class RowSamples:
    """Scores of S training runs; all entries of a table have the same P patients."""

    runs: tuple[str, ...]
    """(S,) names of the training runs; equal names denote the same network."""
    theta: FloatArray
    """(S,) scores."""
    jackknife: FloatArray
    """(S,P) scores with one patient left out."""

    def restrict(self, runs: Sequence[str]) -> "RowSamples":
        """Return the scores of the given training runs, in the given order."""
        if tuple(runs) == self.runs:
            return self
        index = [self.runs.index(name) for name in runs]
        return RowSamples(tuple(runs), self.theta[index], self.jackknife[index])

    @property
    def interval(self) -> MrmcEstimate | None:
        """Mean with its interval over training runs and patients; None for one run or fewer than 10 patients."""
        enough = len(self.theta) > 1 and self.jackknife.shape[1] >= SMALLEST
        return mrmc.interval(self.theta, self.jackknife) if enough else None


def leave_one_out(numerator: FloatArray, denominator: FloatArray, groups: CaseGroups) -> tuple[FloatArray, FloatArray]:
    """Return the means (M,) over findings of ratios of sums over cases, and the same with each patient left out (M,P).

    Thresholds are not chosen again. If leaving out a patient leaves a finding without cases, the
    finding is omitted from that mean.

    ``numerator``, ``denominator``: of each case and column (N,M).
    """
    columns = numerator.shape[1]
    theta, jackknife = np.empty(columns), np.empty((columns, groups.patients))
    for start in range(0, columns, WIDTH):  # small temporary arrays are faster
        block = np.s_[:, start : start + WIDTH]
        sums = groups.sums(numerator[block], denominator[block])
        theta[block[1]], jackknife[block[1]] = mean(sums.value, 0), mean(sums.without, 1).T
    return theta, jackknife


def difference(one: RowSamples, other: RowSamples) -> MrmcEstimate:
    """Return ``one`` − ``other``: paired on common training runs, nested if there are fewer than two of them.

    A single run counts as fixed: a side with several runs keeps its variance over runs, and a side with one run
    contributes patients only. If the sides have one common run, only that run is compared, over patients alone.
    """
    return differences([(one, other)])[0]


def differences(pairs: Sequence[tuple[RowSamples, RowSamples]]) -> list[MrmcEstimate]:
    """Return ``difference`` of each pair, computed together, which is much faster."""
    groups: dict[tuple[tuple[str, ...], int, int], list[int]] = {}
    for n, (one, other) in enumerate(pairs):
        common = tuple(name for name in one.runs if name in other.runs)
        groups.setdefault((common, len(common or one.runs), len(common or other.runs)), []).append(n)
    estimates: dict[int, MrmcEstimate] = {}
    for (common, *_), numbers in groups.items():
        sides = zip(*(pairs[n] for n in numbers), strict=True)
        a, b = ([row.restrict(common or row.runs) for row in side] for side in sides)
        compute = mrmc.differences if len(common) > 1 else mrmc.differences_nested
        estimates |= zip(numbers, compute(_stacked(a), _stacked(b)), strict=True)
    return [estimates[n] for n in range(len(pairs))]


def over_patients(one: Sums, other: Sums) -> list[MrmcEstimate]:
    """Return M differences of the means over findings of one training run on each side: BCa and sign-flip test.

    Low and high are nan below 10 patients. ``other`` may have one column, which is compared with all of ``one``.
    """
    gap = resample.over_findings(resample.bootstrap_draws(one)) - resample.over_findings(
        resample.bootstrap_draws(other)
    )
    shape = one.numerator.shape
    same = Sums(np.broadcast_to(other.numerator, shape), np.broadcast_to(other.denominator, shape))
    p = resample.sign_flip(one, same, findings=False)[-1]
    ends = resample.interval(gap).T
    return [*map(MrmcEstimate, gap.value.tolist(), *ends.tolist(), [np.inf] * len(p), p.tolist())]


def _stacked(rows: Sequence[RowSamples]) -> mrmc.Row:
    """Return the scores of N rows (N,S), and those without each patient (N,S,P)."""
    return np.stack([row.theta for row in rows]), np.stack([row.jackknife for row in rows])


@dataclass(frozen=True)
class Verdict:
    """Whether a row is beaten in its table, and how much worse it is than a better one."""

    beaten: bool | None
    """Whether another row is significantly better; None if nothing can be compared."""
    worse_by: MrmcEstimate | None = None
    """How much better the row ``compared_with`` is, with an unadjusted interval; None for the top row, or if there are
    too few patients."""
    compared_with: int | None = None
    """Index of the top row. If it is not significantly better but other rows are: index of the best of those."""


Gaps = Mapping[tuple[int, int], MrmcEstimate | None]
"""Indices of two rows, the smaller first -> how much better the first is; None if they are not comparable."""


def gaps_between(rows: Sequence[RowSamples]) -> Gaps:
    """Return ``compared`` of all pairs of rows."""
    numbers = [*itertools.combinations(range(len(rows)), 2)]
    if len(rows) > 1 and all(row.runs == rows[0].runs and row.jackknife.shape[1] >= SMALLEST for row in rows):
        return dict(zip(numbers, mrmc.all_differences(_stacked(rows)), strict=True))
    return dict(zip(numbers, compared([(rows[a], rows[b]) for a, b in numbers]), strict=True))


def verdicts(rows: int, gaps: Gaps) -> list[Verdict]:
    """Compare each row with all others; rows are sorted, best first.

    A row may be the best unless another row is significantly better at the 5% level. Holm's correction is over all
    pairs, so that the level holds for all rows together.

    >>> [(v.beaten, v.compared_with) for v in verdicts(2, {(0, 1): MrmcEstimate(0.2, 0.1, 0.3, np.inf, 0.001)})]
    [(False, None), (True, 0)]
    """
    p, pairs = np.full((rows, rows), np.nan), holm(np.array([np.nan if e is None else e.p for e in gaps.values()]))
    for (a, b), adjusted in zip(gaps, pairs.tolist(), strict=True):
        p[a, b] = p[b, a] = adjusted
    both = {**gaps, **{(b, a): None if e is None else _reversed(e) for (a, b), e in gaps.items()}}
    return [_verdict(row, [(n, both[n, row]) for n in range(rows) if n != row], p[row]) for row in range(rows)]


def _verdict(row: int, others: Sequence[tuple[int, MrmcEstimate | None]], p: FloatArray) -> Verdict:
    """Return the verdict on ``row`` from its differences from the ``others`` (best first) and their adjusted ``p``."""
    if not np.isfinite(p).any():
        return Verdict(None)
    better = [n for n, estimate in others if estimate is not None and estimate.value > 0 and p[n] <= ALPHA]
    best = 0 if row and (not better or 0 in better) else better[0] if better else None
    return Verdict(bool(better), None if best is None else dict(others).get(best), best)


def _reversed(estimate: MrmcEstimate) -> MrmcEstimate:
    return replace(estimate, value=-estimate.value, low=-estimate.high, high=-estimate.low)


def compared(pairs: Sequence[tuple[RowSamples, RowSamples]]) -> Sequence[MrmcEstimate | None]:
    """Return ``difference`` of each pair; None for all if there are fewer than 10 patients."""
    few = any(one.jackknife.shape[1] < SMALLEST for one, _ in pairs)
    return [None] * len(pairs) if few else differences(pairs)


def mean_of_rows(rows: Sequence[RowSamples]) -> RowSamples:
    """Average several methods on the same training runs into one row: scores and jackknife."""
    theta, jackknife = (np.mean([getattr(row, name) for row in rows], 0) for name in ("theta", "jackknife"))
    return RowSamples(rows[0].runs, theta, jackknife)
