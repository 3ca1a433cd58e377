"""The best of all thresholds, found by a sweep over the critical ones instead of a grid.

Every case says exactly where it hits (``benchmark.critical``); the number of hits over thresholds is then a step function
with known steps. What is chosen is the middle of the best step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.critical import hits
from benchmark.thresholds import FOLDS
from benchmark.trace import Trace
from core.boxes import iou
from core.seeds import patient_folds
from core.types import FloatArray

DIGITS = 12
"""Critical thresholds that differ less than this are one: only rounding parts them."""


@dataclass(frozen=True, eq=False)
class Curve:
    """One case: its box at every threshold, and where it hits."""

    trace: Trace
    truth: FloatArray
    """(M,4) in the frame."""
    hits: FloatArray
    """(K,2) intervals of thresholds."""

    def iou(self, thresholds: FloatArray) -> FloatArray:
        """(T,) -> (T,) IoU with the best truth box; 0 where there is no box."""
        return np.nan_to_num(iou(self.trace.boxes(thresholds), self.truth)).max(1)


def curve(found: Trace, truth: FloatArray, above: float) -> Curve:
    """What ``steps``, ``best`` and the origins need of a case whose hit is IoU > ``above`` with any of (M,4) truth boxes."""
    return Curve(found, truth, hits(found, truth, above))


@dataclass(frozen=True, eq=False)
class Steps:
    """How many of some cases hit, as a function of the threshold: exact."""

    levels: FloatArray
    """(C+1,) critical thresholds, ascending."""
    count: NDArray[np.int64]
    """(C,) cases that hit between two neighbouring ones."""
    peak: NDArray[np.bool_]
    """(C,) whether neither neighbour has all its hits: however cases are weighted, one of these steps is a best one."""

    @property
    def middles(self) -> FloatArray:
        """(C,) the middle of each step."""
        return (self.levels[1:] + self.levels[:-1]) / 2


def steps(intervals: Sequence[FloatArray], low: float = 0.0, high: float = 1.0) -> Steps:
    """Each case's (K,2) intervals -> how many hit, at all thresholds from ``low`` to ``high``.

    >>> found = steps([np.array([[.1, .5]]), np.array([[.3, .9]])])
    >>> found.levels.tolist(), found.count.tolist()
    ([0.0, 0.1, 0.3, 0.5, 0.9, 1.0], [0, 1, 2, 1, 0])
    """
    ends = np.clip(np.concatenate([np.array([[low, high]]), *intervals]), low, high).round(DIGITS)
    levels, place = np.unique(ends.ravel(), return_inverse=True)
    begin, end = place.reshape(-1, 2)[1:].T
    gained, lost = (np.bincount(places, minlength=len(levels)) for places in (begin, end))
    count = (gained - lost).cumsum()[:-1]
    peak = (gained[:-1] > 0) & (lost[1:] > 0)  # nothing gained at its beginning, or lost at its end: a neighbour has it all
    peak[count.argmax()] = True
    return Steps(levels, count, peak)


def contenders(cases: Sequence[Curve], findings: Sequence[str]) -> NDArray[np.bool_]:
    """(N,) cases and their findings -> (N,M) whether each hits at its finding's peak steps, the only ones that a resample can choose.

    M is that of the finding with most; the others' remaining columns are without hits.
    """
    of, found = np.asarray(findings), {}
    for finding in np.unique(of):
        known = steps([case.hits for case in _of(cases, of == finding)])
        found[finding] = known.middles[known.peak]
    out = np.zeros((len(cases), max(map(len, found.values()), default=0)), dtype=bool)
    for n, case in enumerate(cases):
        at = found[of[n]]
        out[n, : len(at)] = ((at[:, None] >= case.hits[:, 0]) & (at[:, None] < case.hits[:, 1])).any(1)
    return out


def best(cases: Sequence[Curve]) -> float:
    """The threshold in [0,1) with most hits. Ties between steps go to the larger mean IoU at their middles, then to the lowest."""
    found = steps([case.hits for case in cases])
    tied = found.middles[found.count == found.count.max()]
    quality = sum((case.iou(tied) for case in cases), np.zeros(len(tied)))
    return float(tied[quality.argmax()])


def oracle(cases: Sequence[Curve], findings: Sequence[str]) -> FloatArray:
    """(N,) cases and their findings -> (N,) each finding's best threshold on the very cases that it is scored on."""
    chosen, of = np.zeros(len(cases)), np.asarray(findings)
    for finding in np.unique(of):
        own = of == finding
        chosen[own] = best(_of(cases, own))
    return chosen


def cross_fitted(cases: Sequence[Curve], findings: Sequence[str], patients: Sequence[str], default: float, seed: int = 0) -> FloatArray:
    """(N,) cases, findings, patients -> (N,) threshold of each case, chosen per finding on the other folds' patients.

    Where the other folds hold no case of the finding, the ``default`` is taken.
    """
    chosen, of, fold = np.full(len(cases), default), np.asarray(findings), patient_folds(patients, FOLDS, seed)
    for finding in np.unique(of):
        for number in np.unique(fold):
            own, others = (of == finding) & (fold == number), (of == finding) & (fold != number)
            if own.any() and others.any():
                chosen[own] = best(_of(cases, others))
    return chosen


def stated(chosen: FloatArray, findings: Sequence[str]) -> dict[str, list[float]]:
    """(N,) thresholds -> finding -> the distinct ones that were chosen for its cases, ascending, six digits: what a record states."""
    of = np.asarray(findings)
    return {str(finding): np.unique(chosen[of == finding].round(6)).tolist() for finding in np.unique(of)}


def _of(cases: Sequence[Curve], some: NDArray[np.bool_]) -> list[Curve]:
    return [case for case, taken in zip(cases, some, strict=True) if taken]
