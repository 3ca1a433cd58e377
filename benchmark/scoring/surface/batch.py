"""Boxes and truth boxes of many cases, concatenated, so that one compiled pass computes all overlaps.

A loop over cases in Python would take longer than the overlaps. ``case_index`` is the case of each box.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.scoring.surface import overlap
from benchmark.scoring.surface.bilinear import Surface, components
from benchmark.scoring.surface.trace import GivenBoxes
from core.boxes import as_boxes
from core.types import FloatArray

Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TruthBoxes:
    """Truth boxes of N cases."""

    offsets: Index
    """(N+1,) offsets of each case's boxes."""
    boxes: FloatArray
    """(M,4), each in the frame of its case."""

    @classmethod
    def from_boxes(cls, boxes: Sequence[FloatArray]) -> "TruthBoxes":
        """Concatenate the ``boxes`` of the cases, (M,4) each."""
        return cls(offsets_of([len(one) for one in boxes]), np.concatenate([np.zeros((0, 4)), *map(as_boxes, boxes)]))

    @property
    def count(self) -> Index:
        """(N,) number of truth boxes of each case."""
        return np.diff(self.offsets)

    def overlaps(self, boxes: FloatArray, case_index: Index) -> tuple[FloatArray, FloatArray]:
        """Return IoU (P,) and IoBB (P,) of boxes (P,4) with the best truth box of their case; 0 without one."""
        iou, iobb = overlap.overlaps(self.offsets, self.boxes, boxes, case_index)
        return iou, iobb

    def match_counts(self, boxes: "Boxes", measure: int, above: Sequence[float], n_thresholds: int) -> FloatArray:
        """Count hit truth boxes, and boxes without a hit, of each case at each of L score thresholds: (2,N,L,D).

        A hit has an IoU (``measure`` 0) or IoBB (``measure`` 1) above each of the D values of ``above``.
        """
        out = np.zeros((2, len(self.count), n_thresholds, len(above)))
        offsets, limits = boxes.offsets(*out.shape[1:3]), np.asarray(above, dtype=np.float64)
        overlap.matches(self.offsets, self.boxes, boxes.boxes, offsets, measure, limits, out)
        return out

    def union_iobb(self, boxes: "Boxes", n_thresholds: int) -> FloatArray:
        """Return the share (N,L) of the union of a case's boxes inside the union of its truth boxes; nan for 0/0."""
        out = np.full((len(self.count), n_thresholds), np.nan)
        overlap.union_iobb(self.offsets, self.boxes, boxes.boxes, boxes.offsets(*out.shape), out)
        return out


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes of all components of N cases' surfaces at L thresholds, sorted by case and threshold."""

    boxes: FloatArray
    """(P,4), each in the frame of its case."""
    case_index: Index
    """(P,)."""
    threshold_index: Index
    """(P,) 0 … L-1."""

    @classmethod
    def from_surfaces(cls, surfaces: Iterable[Surface | GivenBoxes | None], thresholds: FloatArray) -> "Boxes":
        """Compute the boxes at the (N,L) ``thresholds`` of each case; none without a surface or at nan."""
        finite = np.where(np.isnan(thresholds), np.inf, thresholds)
        by_case = [_boxes_at(prediction, row) for prediction, row in zip(surfaces, finite, strict=True)]
        case_index = np.repeat(np.arange(len(by_case)), [len(boxes) for boxes, _ in by_case])
        boxes, threshold_index = (np.concatenate([none, *(one[n] for one in by_case)]) for n, none in enumerate(NO_BOX))
        return cls(boxes, case_index, threshold_index)

    def offsets(self, n_cases: int, n_thresholds: int) -> Index:
        """Return the offsets (N·L+1,) of the boxes of each case and threshold."""
        numbers = self.case_index * n_thresholds + self.threshold_index
        return np.searchsorted(numbers, np.arange(n_cases * n_thresholds + 1))

    def counts(self, n_cases: int, n_thresholds: int) -> FloatArray:
        """Return the number of boxes (N,L) of each case at each threshold."""
        counts = np.bincount(self.case_index * n_thresholds + self.threshold_index, minlength=n_cases * n_thresholds)
        return counts.reshape(n_cases, n_thresholds).astype(np.float64)


NO_BOX = (np.zeros((0, 4)), np.zeros(0, dtype=np.int64))


def _boxes_at(prediction: Surface | GivenBoxes | None, thresholds: FloatArray) -> tuple[FloatArray, Index]:
    """Return the boxes (M,4) at ``thresholds`` (L,) and the index (M,) of their threshold; none at infinity."""
    if isinstance(prediction, Surface):
        return components(prediction, thresholds)[:2]
    boxes, finite = NO_BOX[0] if prediction is None else prediction.boxes, np.flatnonzero(np.isfinite(thresholds))
    return np.tile(boxes, (len(finite), 1)), np.repeat(finite, len(boxes))


def offsets_of(counts: Sequence[int]) -> Index:
    """Return the offsets (N+1,) of N concatenated parts with these counts."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
