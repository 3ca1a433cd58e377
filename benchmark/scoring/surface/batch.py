"""Boxes and truth of many cases, concatenated, so that one compiled pass serves them all.

A loop over cases in Python costs more than the boxes themselves. ``case_index`` is always the case of an entry.
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
        """(P,4) boxes of ``case_index`` -> (P,) IoU and (P,) IoBB with the best truth; 0 without one, or for nan."""
        out = np.zeros((2, len(boxes)))
        overlap.overlaps(self.offsets, self.boxes, boxes, case_index, out)
        return out[0], out[1]

    def match_counts(self, boxes: "Boxes", measure: int, above: Sequence[float], n_thresholds: int) -> FloatArray:
        """Count hits: IoU (``measure`` 0) or IoBB (1) > each of (D,) thresholds ``above``.

        (2,N,L,D): truth boxes hit by any box of their case at each of L score thresholds, and boxes that hit none.
        """
        out = np.zeros((2, len(self.count), n_thresholds, len(above)))
        offsets, limits = boxes.offsets(*out.shape[1:3]), np.asarray(above, dtype=np.float64)
        overlap.matches(self.offsets, self.boxes, boxes.boxes, offsets, measure, limits, out)
        return out

    def union_iobb(self, boxes: "Boxes", n_thresholds: int) -> FloatArray:
        """(N,L) share of the union of a case's boxes inside the union of its truth boxes; nan without area."""
        out = np.full((len(self.count), n_thresholds), np.nan)
        overlap.union_iobb(self.offsets, self.boxes, boxes.boxes, boxes.offsets(*out.shape), out)
        return out


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes of all components of the surfaces of N cases at L thresholds, by case, by threshold, then unordered."""

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
        """(N·L+1,) offsets of the boxes of each case and threshold."""
        numbers = self.case_index * n_thresholds + self.threshold_index
        return np.searchsorted(numbers, np.arange(n_cases * n_thresholds + 1))

    def counts(self, n_cases: int, n_thresholds: int) -> FloatArray:
        """(N,L) number of boxes."""
        counts = np.bincount(self.case_index * n_thresholds + self.threshold_index, minlength=n_cases * n_thresholds)
        return counts.reshape(n_cases, n_thresholds).astype(np.float64)


NO_BOX = (np.zeros((0, 4)), np.zeros(0, dtype=np.int64))


def _boxes_at(prediction: Surface | GivenBoxes | None, thresholds: FloatArray) -> tuple[FloatArray, Index]:
    """(L,) thresholds, infinite if missing -> (M,4) boxes and (M,) threshold index of each."""
    if isinstance(prediction, Surface):
        return components(prediction, thresholds)[:2]
    boxes, finite = NO_BOX[0] if prediction is None else prediction.boxes, np.flatnonzero(np.isfinite(thresholds))
    return np.tile(boxes, (len(finite), 1)), np.repeat(finite, len(boxes))


def offsets_of(counts: Sequence[int]) -> Index:
    """(N,) counts -> (N+1,) offsets when concatenated."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
