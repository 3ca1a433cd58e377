"""The best of all thresholds, computed from critical thresholds instead of a grid.

Each case has exact intervals of thresholds at which it hits (``scoring.surface.critical``), so the number of hits is a
step function of the threshold. The chosen threshold is the middle of the best step.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.scoring.surface.batch import Index, TruthBoxes
from benchmark.scoring.surface.critical import hit_intervals
from benchmark.scoring.surface.trace import Trace
from benchmark.scoring.surface.traces import Traces
from benchmark.scoring.thresholds.origins import DIGITS
from core.types import FloatArray


class ExactThresholds:
    """N cases with their boxes at all thresholds and the thresholds at which they hit. A ``ThresholdSelector``."""

    def __init__(self, above: float, cases: Iterable[tuple[Trace, FloatArray]]) -> None:
        """Store the traces of cases and their truth boxes (M,4) in the frame; a hit is IoU > ``above``."""
        truth, intervals = list[FloatArray](), list[FloatArray]()

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
        return float(tied[self.iou(subset, tied).sum(0).round(DIGITS).argmax()])

    def boxes(self, thresholds: ArrayLike) -> FloatArray:
        """Return the box (N,4) of each case at its threshold (N,); nan without a box, and for a threshold of nan."""
        return self.traces.boxes(np.arange(len(self)), np.asarray(thresholds, dtype=np.float64)[:, None])[:, 0]

    def iou(self, subset: Index, thresholds: FloatArray) -> FloatArray:
        """Return the IoU (n,T) of the cases ``subset`` (n,) with their best truth box; 0 without a box."""
        boxes = self.traces.boxes(subset, np.broadcast_to(thresholds, (len(subset), len(thresholds))))
        overlap, _ = self.truth.overlaps(boxes.reshape(-1, 4), np.repeat(subset, len(thresholds)))
        return overlap.reshape(len(subset), len(thresholds))

    def hits(self, thresholds: ArrayLike, rows: Index | slice = slice(None)) -> NDArray[np.bool_]:
        """Return the hits (N,T) of all cases at ``thresholds`` (T,), using only these ``rows`` of the intervals."""
        at, low, high = np.asarray(thresholds), self.intervals[rows, :1], self.intervals[rows, 1:]
        out = np.zeros((len(self), len(at)), dtype=bool)
        np.logical_or.at(out, self.case_index[rows], (at >= low) & (at < high))
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
        out = np.zeros((len(self), max((hits.shape[1] for hits in by_finding), default=0)), dtype=bool)
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
    thresholds, index = np.unique(np.append(inside.ravel(), [0, 1]).round(DIGITS), return_inverse=True)
    begin, end = index[:-2].reshape(-1, 2).T
    gained, lost = (np.bincount(indices, minlength=len(thresholds)) for indices in (begin, end))
    count = (gained - lost).cumsum()[:-1]
    # a step that gains no hit at its beginning, or loses none at its end, has a neighbour with all its hits
    is_local_max = (gained[:-1] > 0) & (lost[1:] > 0)
    is_local_max[count.argmax()] = True
    return Steps(thresholds, count, is_local_max)
