"""Traces, boxes and truth of many cases laid end to end, so that one compiled pass serves them all.

A loop over cases in Python costs more than the boxes themselves. ``of`` always says which case something is of.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.surface import overlap
from benchmark.surface.bilinear import Surface, all_boxes
from benchmark.surface.trace import Trace
from core.boxes import as_boxes
from core.types import FloatArray

Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Traces:
    """The traces of N cases."""

    first: Index
    """(N+1,) where each case's pieces begin."""
    low: FloatArray
    """(P,) threshold at which a piece begins."""
    high: FloatArray
    """(P,) and ends."""
    start: FloatArray
    """(P,4) box at the beginning of each piece."""
    stop: FloatArray
    """(P,4) its limit at the piece's end."""

    @classmethod
    def of(cls, traces: Sequence[Trace]) -> "Traces":
        """Cases in the order of ``traces``."""
        none, zero = np.zeros((0, 4)), np.zeros(0)
        low, high = (
            np.concatenate([zero, *(t.levels[end] for t in traces)]) for end in (slice(None, -1), slice(1, None))
        )
        start, stop = (np.concatenate([none, *(getattr(t, end) for t in traces)]) for end in ("start", "stop"))
        return cls(_firsts([len(t.start) for t in traces]), low, high, start, stop)

    def __len__(self) -> int:
        """How many cases."""
        return len(self.first) - 1

    def boxes(self, of: Index, thresholds: FloatArray) -> FloatArray:
        """(n,) cases, (n,T) thresholds of each -> (n,T,4) boxes as ``Trace.boxes``, nan where nothing is above."""
        out = np.full((*thresholds.shape, 4), np.nan)
        overlap.follow(
            self.first, self.low, self.high, self.start, self.stop, of, np.ascontiguousarray(thresholds), out
        )
        return out


@dataclass(frozen=True, eq=False)
class TruthBoxes:
    """The truth boxes of N cases."""

    first: Index
    """(N+1,) where each case's boxes begin."""
    boxes: FloatArray
    """(M,4), in each case's own frame."""

    @classmethod
    def of(cls, boxes: Sequence[FloatArray]) -> "TruthBoxes":
        """Cases in the order of ``boxes``, (M,4) each."""
        return cls(_firsts([len(one) for one in boxes]), np.concatenate([np.zeros((0, 4)), *map(as_boxes, boxes)]))

    @property
    def count(self) -> Index:
        """(N,) truth boxes of each case."""
        return np.diff(self.first)

    def overlaps(self, boxes: FloatArray, of: Index) -> tuple[FloatArray, FloatArray]:
        """(P,4) boxes, each of a case -> (P,) IoU and (P,) IoBB with its best truth box; 0 without one, and for nan."""
        out = np.zeros((2, len(boxes)))
        overlap.overlaps(self.first, self.boxes, boxes, of, out)
        return out[0], out[1]

    def reached(self, boxes: "Boxes", measure: int, above: Sequence[float], levels: int) -> FloatArray:
        """Whether boxes and truth boxes meet with IoU (``measure`` 0) or IoBB (1) > each of (D,) thresholds.

        (2,N,L,D): truth boxes that some box of their case meets at each of the L ``levels``, and boxes that meet none.
        """
        out = np.zeros((2, len(self.count), levels, len(above)))
        overlap.reached(
            self.first, self.boxes, boxes.boxes, boxes.begins(out), measure, np.asarray(above, dtype=np.float64), out
        )
        return out

    def unions(self, boxes: "Boxes", levels: int) -> FloatArray:
        """(N,L) share of the union of a case's boxes that lies in the union of its truth boxes; nan without area."""
        out = np.full((len(self.count), levels), np.nan)
        overlap.unions(self.first, self.boxes, boxes.boxes, boxes.begins(out[None]), out)
        return out


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes of all components of the surfaces of N cases at L levels, by case, then by level."""

    boxes: FloatArray
    """(P,4), in each case's own frame."""
    of: Index
    """(P,)."""
    level: Index
    """(P,) 0 … L-1."""

    @classmethod
    def on(cls, surfaces: Sequence[Surface | None], levels: FloatArray) -> "Boxes":
        """(N,L) the levels of each case; without a surface there is no box, nor at a level nan."""
        known = np.where(np.isnan(levels), np.inf, levels)
        each = [NO_BOX if on is None else all_boxes(on, at) for on, at in zip(surfaces, known, strict=True)]
        of = np.repeat(np.arange(len(each)), [len(boxes) for boxes, _ in each])
        boxes, level = (np.concatenate([none, *(one[n] for one in each)]) for n, none in enumerate(NO_BOX))
        return cls(boxes, of, level)

    def begins(self, of: FloatArray) -> Index:
        """(N·L+1,) where the boxes of each case and level begin, for an array (2,N,L,...)."""
        cases, levels = of.shape[1:3]
        return np.searchsorted(self.of * levels + self.level, np.arange(cases * levels + 1))

    def counts(self, cases: int, levels: int) -> FloatArray:
        """(N,L) how many boxes there are."""
        counts = np.bincount(self.of * levels + self.level, minlength=cases * levels)
        return counts.reshape(cases, levels).astype(np.float64)


NO_BOX = (np.zeros((0, 4)), np.zeros(0, dtype=np.int64))


def _firsts(counts: Sequence[int]) -> Index:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
