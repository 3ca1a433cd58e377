"""Choose the score threshold of each case, on the cases of each threshold source.

``oracle``        chosen on the scored cases. It overstates the score and is an upper bound.
``cross-fitted``  patients are split into folds, and each fold's threshold is chosen on the other folds. Every case is
                  scored once, at a threshold chosen without its own patient.
``fitted``        chosen on all cases of another suite, without the scored patients.
``validation``    chosen on the validation images of the same training run: maps of another network have another scale.

``fixed`` and ``otsu`` do not use the truth and are set by the protocols. There is one threshold per finding, or one
``shared`` by all findings, for which every case counts once as in the pooled curve of Choe et al. 2020. A selector
finds the best threshold of some cases: ``SampledThresholds`` in a list, ``ExactThresholds`` among all numbers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from locus.core.scores import ThresholdSource
from locus.core.types import FloatArray, patient_folds
from locus.scoring.statistics.resample import SHARED_SUFFIX, CaseIndex
from locus.scoring.surface.batch import Index, Traces, TruthBoxes, hit_intervals
from locus.scoring.surface.trace import Trace

ThresholdKey = tuple[ThresholdSource, str]
"""A threshold source, and the suffix of its metrics if all findings share the threshold."""
ThresholdsBySource = dict[ThresholdKey, FloatArray]
"""(N,) threshold of each case, nan if none could be chosen."""

Mask = NDArray[np.bool_]
FOLD_COUNT = 5
COMPARED_DECIMALS = 12
"""Decimals to which thresholds and mean qualities are compared; smaller differences are rounding."""
CROSS_FITTED: ThresholdKey = ("cross-fitted", "")
"""Chosen on other patients, per finding."""
FITTED: ThresholdKey = ("fitted", "")
"""Chosen on all cases of another suite, per finding."""


class ThresholdSelector(Protocol):
    """Finds the best threshold of any subset of some cases with truth."""

    def best(self, subset: NDArray[np.int64]) -> float:
        """Return the best threshold of a non-empty ``subset`` of the cases."""


@dataclass(frozen=True, eq=False)
class SampledThresholds:
    """N cases at a list of T thresholds; thresholds are indices in the list. A ``ThresholdSelector``."""

    hits: NDArray[np.bool_]
    """(N,T) hits."""
    quality: FloatArray
    """(N,T) tie-breaker for thresholds with equally many hits."""

    def best(self, subset: NDArray[np.int64]) -> float:
        """Return the index with most hits; ties go to the larger mean quality, then to the lower index.

        >>> hits, quality = np.array([[0, 1, 1], [1, 1, 1]], bool), np.array([[.1, .4, .5], [.6, .4, .5]])
        >>> SampledThresholds(hits, quality).best(np.array([0, 1]))
        2.0
        """
        count = self.hits[subset].sum(0)
        return float(
            np.where(
                count == count.max(), self.quality[subset].mean(0).round(COMPARED_DECIMALS), -np.inf
            ).argmax()
        )


def at_index(table: NDArray[np.generic], chosen: ArrayLike) -> FloatArray:
    """Return the value (N,) of each case in ``table`` (N,T) at its ``chosen`` index (N,); nan for an index of nan.

    >>> at_index(np.array([[1, 2], [3, 4]]), [1, np.nan]).tolist()
    [2.0, nan]
    """
    index = np.asarray(chosen, dtype=np.float64)
    chosen_cases = np.isfinite(index)
    values = table[np.arange(len(index)), np.where(chosen_cases, index, 0).astype(np.int64)]
    return np.where(chosen_cases, values, np.nan)


Indexed = tuple[ThresholdSelector, CaseIndex]
"""A selector and the index of its cases."""


def choose(
    scored: Indexed, default: float, seed: int = 0, validation: Indexed | None = None
) -> ThresholdsBySource:
    """Return the threshold of each case for all sources that use truth, per finding and shared.

    Args:
        scored: the selector of thresholds of the N scored cases, and their index.
        default: threshold where cross-fitting has no case to choose on; see ``cross_fitted``.
        seed: seed of the patient folds.
        validation: the selector and the index of the validation cases; None: this threshold source is missing.

    Returns:
        (source, suffix) -> (N,) thresholds.
    """
    out: ThresholdsBySource = {}
    for shared, suffix in ((False, ""), (True, SHARED_SUFFIX)):
        out["cross-fitted", suffix] = cross_fitted(*scored, default, seed, shared)
        out["oracle", suffix] = oracle(*scored, shared)
        if validation is not None and len(validation[1]):
            out["validation", suffix] = from_validation(*validation, scored[1], shared)
    return out


def oracle(selector: ThresholdSelector, index: CaseIndex, shared: bool = False) -> FloatArray:
    """Return the threshold (N,) of each case, chosen on the scored cases."""
    return _chosen(
        selector,
        ((group, group) for group in index.groups(shared).values()),
        np.full(len(index), np.nan),
    )


def cross_fitted(
    selector: ThresholdSelector,
    index: CaseIndex,
    default: float,
    seed: int = 0,
    shared: bool = False,
) -> FloatArray:
    """Return the threshold (N,) of each case, chosen on the cases of the other patient folds.

    Args:
        selector: chooses a threshold on some cases.
        index: findings, patients and training runs of the cases.
        default: threshold of a case if the other folds have no case of its group.
        seed: seed of the patient folds.
        shared: one threshold for all findings; else one per finding.
    """
    folds = patient_folds(index.patients.tolist(), FOLD_COUNT, seed)
    inside = [
        (group, folds == number)
        for group in index.groups(shared).values()
        for number in np.unique(folds[group])
    ]
    pairs = ((group & fold, group & ~fold) for group, fold in inside)
    return _chosen(selector, pairs, np.full(len(index), float(default)))


def from_validation(
    selector: ThresholdSelector, validation_index: CaseIndex, index: CaseIndex, shared: bool = False
) -> FloatArray:
    """Return the threshold of each case, chosen on the validation cases of the same training run.

    Args:
        selector: chooses a threshold on validation cases.
        validation_index: findings, patients and training runs of the validation cases.
        index: findings, patients and training runs of the N scored cases.
        shared: choose one threshold for all findings.

    Returns:
        (N,) thresholds; nan without validation cases.
    """
    masks = validation_index.groups(shared)
    pairs = (
        (
            group & (index.trainings == number),
            (validation_index.trainings == number) & masks.get(name, False),
        )
        for name, group in index.groups(shared).items()
        for number in np.unique(index.trainings[group])
    )
    return _chosen(selector, pairs, np.full(len(index), np.nan))


def of_findings(thresholds: Mapping[str, float], index: CaseIndex) -> FloatArray:
    """Return the threshold (N,) of each case from finding -> threshold; nan for a finding without one."""
    return np.array(
        [thresholds.get(finding, np.nan) for finding in index.findings.tolist()], dtype=np.float64
    )


def _chosen(
    selector: ThresholdSelector, pairs: Iterable[tuple[Mask, Mask]], default: FloatArray
) -> FloatArray:
    """Fill ``default`` (N,) for each mask of cases with the best threshold of the selector's cases in the other."""
    for cases, chosen_on in pairs:
        if chosen_on.any():
            default[cases] = selector.best(np.flatnonzero(chosen_on))
    return default


def distinct_thresholds(
    chosen: ThresholdsBySource, index: CaseIndex, values: Sequence[object] | None = None
) -> dict[ThresholdSource, dict[str, list[object]]]:
    """Return source -> finding (or ``@shared``) -> the distinct chosen thresholds, ascending, as stored in a record.

    They are rounded to six digits, or are the ``values`` of a list at the chosen indices; empty if none could be
    chosen. Otsu's thresholds differ from map to map and are left out.
    """
    out: dict[ThresholdSource, dict[str, list[object]]] = {}
    for (threshold_source, suffix), thresholds in chosen.items():
        for name, group in index.groups(bool(suffix)).items() if threshold_source != "otsu" else ():
            distinct = np.unique(thresholds[group & np.isfinite(thresholds)].round(6)).tolist()
            numbers = distinct if values is None else [values[int(number)] for number in distinct]
            out.setdefault(threshold_source, {})[name] = numbers
    return out


class ExactThresholds:
    """N cases with their boxes at all thresholds and the thresholds at which they hit. A ``ThresholdSelector``.

    Each case has exact intervals of thresholds at which it hits, so the number of hits is a step function of the
    threshold. The chosen threshold is the middle of the best step; no grid is needed.
    """

    def __init__(self, above: float, cases: Iterable[tuple[Trace, FloatArray]]) -> None:
        """Store the traces of cases and their truth boxes (M,4) in the frame; a hit is IoU > ``above``."""
        truth = list[FloatArray]()
        intervals = list[FloatArray]()

        def traces() -> Iterator[Trace]:
            for trace, boxes in cases:
                truth.append(boxes)
                intervals.append(hit_intervals(trace, boxes, above))
                yield trace

        self.traces = Traces(traces())
        self.truth = TruthBoxes.from_boxes(truth)
        self.intervals = np.concatenate([np.zeros((0, 2)), *intervals])
        """(K,2) concatenated intervals of all cases."""
        self.case_index = np.repeat(np.arange(len(truth)), [len(rows) for rows in intervals])
        """(K,) the case of each interval."""

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self.truth.count)

    def best(self, subset: Index) -> float:
        """Return the threshold in [0,1) with most hits; ties go to the larger mean IoU, then to the lower threshold."""
        selected = np.zeros(len(self), dtype=bool)
        selected[subset] = True
        curve = steps(self.intervals[selected[self.case_index]])
        tied = curve.middles[curve.count == curve.count.max()]
        return float(tied[self.iou(subset, tied).sum(0).round(COMPARED_DECIMALS).argmax()])

    def boxes(self, thresholds: ArrayLike) -> FloatArray:
        """Return the box (N,4) of each case at its threshold (N,); nan without a box, and for a threshold of nan."""
        return self.traces.boxes(
            np.arange(len(self)), np.asarray(thresholds, dtype=np.float64)[:, None]
        )[:, 0]

    def iou(self, subset: Index, thresholds: FloatArray) -> FloatArray:
        """Return the IoU (n,T) of the cases ``subset`` (n,) with their best truth box; 0 without a box."""
        boxes = self.traces.boxes(
            subset, np.broadcast_to(thresholds, (len(subset), len(thresholds)))
        )
        overlap, _ = self.truth.overlaps(boxes.reshape(-1, 4), np.repeat(subset, len(thresholds)))
        return overlap.reshape(len(subset), len(thresholds))

    def hits(self, thresholds: ArrayLike, rows: Index | slice = slice(None)) -> NDArray[np.bool_]:
        """Return the hits (N,T) of all cases at ``thresholds`` (T,), using only these ``rows`` of the intervals."""
        levels = np.asarray(thresholds)
        low = self.intervals[rows, :1]
        high = self.intervals[rows, 1:]
        out = np.zeros((len(self), len(levels)), dtype=bool)
        np.logical_or.at(out, self.case_index[rows], (levels >= low) & (levels < high))
        return out

    def oracle_hits(self, findings: NDArray[np.str_]) -> NDArray[np.bool_]:
        """Return the hits (N,M) of all cases at the local maxima of their finding's hit count.

        The best threshold of any resample is one of them. ``findings`` (N,): finding of each case. M is the largest
        number of maxima of a finding; other findings are padded with columns without hits.
        """
        by_finding = []
        for finding in np.unique(findings):
            rows = np.flatnonzero((findings == finding)[self.case_index])
            curve = steps(self.intervals[rows])
            by_finding.append(self.hits(curve.middles[curve.is_local_max], rows))
        out = np.zeros(
            (len(self), max((hits.shape[1] for hits in by_finding), default=0)), dtype=bool
        )
        for hits in by_finding:
            out[:, : hits.shape[1]] |= hits
        return out


@dataclass(frozen=True, eq=False)
class Steps:
    """Number of cases that hit, as an exact function of the threshold."""

    thresholds: FloatArray
    """(C+1,) critical thresholds, ascending."""
    count: NDArray[np.int64]
    """(C,) cases that hit between two neighbouring thresholds."""
    is_local_max: NDArray[np.bool_]
    """(C,) True if neither neighbour has all hits of the step; for any case weights, one of these steps is best."""

    @property
    def middles(self) -> FloatArray:
        """(C,) middle of each step."""
        return (self.thresholds[1:] + self.thresholds[:-1]) / 2


def steps(intervals: ArrayLike) -> Steps:
    """Return the number of hits at all thresholds from 0 to 1, from intervals (K,2) of thresholds at which cases hit.

    Intervals of one case are disjoint. Critical thresholds that differ by rounding are merged.

    >>> curve = steps([[.1, .5], [.3, .9]])
    >>> curve.thresholds.tolist(), curve.count.tolist()
    ([0.0, 0.1, 0.3, 0.5, 0.9, 1.0], [0, 1, 2, 1, 0])
    """
    inside = np.clip(np.asarray(intervals, dtype=np.float64).reshape(-1, 2), 0, 1)
    thresholds, index = np.unique(
        np.append(inside.ravel(), [0, 1]).round(COMPARED_DECIMALS), return_inverse=True
    )
    begin, end = index[:-2].reshape(-1, 2).T
    gained, lost = (np.bincount(indices, minlength=len(thresholds)) for indices in (begin, end))
    count = (gained - lost).cumsum()[:-1]
    # a step that gains no hit at its beginning, or loses none at its end, has a neighbour with all its hits
    is_local_max = (gained[:-1] > 0) & (lost[1:] > 0)
    is_local_max[count.argmax()] = True
    return Steps(thresholds, count, is_local_max)
