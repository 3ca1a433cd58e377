"""The box of the highest vertex's component as an exact function of the threshold.

Along a grid line the surface is linear, so each edge of the box moves linearly with the threshold until another line
defines the edge, another vertex joins or a saddle is passed. Between these critical thresholds the box is linear, so
the function is a short list of pieces; no grid of thresholds is needed.

Boxes submitted instead of a map have the same interface: a peak, a trace and all boxes.
"""

from dataclasses import dataclass

import numpy as np

from benchmark.scoring.surface import peak_trace
from benchmark.scoring.surface.bilinear import Surface
from core.types import FloatArray


@dataclass(frozen=True, eq=False)
class Trace:
    """Boxes (xyxy, in the frame) over thresholds; each edge is linear inside a piece, and jumps only between pieces."""

    thresholds: FloatArray
    """(P+1,) critical thresholds t, ascending; piece p is [t[p], t[p+1]). Above the last one there is no box."""
    start: FloatArray
    """(P,4) box at the beginning of each piece."""
    stop: FloatArray
    """(P,4) limit of the box at the end of each piece."""


EMPTY = Trace(np.zeros(1), np.zeros((0, 4)), np.zeros((0, 4)))
"""Trace of a flat or missing map: no box at any threshold."""


def trace(prediction: "Surface | GivenBoxes | None") -> Trace:
    """Return the box of the peak's component at all thresholds from 0, for a map scaled to [0,1]; empty without a map.

    For submitted boxes, it is the box with the highest confidence at every threshold in [0,1).

    >>> from benchmark.scoring.surface import surface
    >>> spot = trace(surface([[0, 0, 0], [0, 1, 0], [0, 0, 0]], (30, 30), "conventional"))
    >>> spot.thresholds.tolist(), spot.start.tolist(), spot.stop.tolist()
    ([0.0, 1.0], [[5.0, 5.0, 25.0, 25.0]], [[15.0, 15.0, 15.0, 15.0]])
    """
    if isinstance(prediction, GivenBoxes):
        return Trace(np.array([0.0, 1.0]), prediction.boxes[:1], prediction.boxes[:1])
    if prediction is None or prediction.flat or prediction.span[1] <= 0:
        return EMPTY
    thresholds, start, stop = peak_trace.pieces(prediction.values, prediction.y, prediction.x, *prediction.frame, 0.0)
    return Trace(thresholds, start.T, stop.T)


@dataclass(frozen=True, eq=False)
class GivenBoxes:
    """Boxes of one image and finding, at least one, highest confidence first: the same at every score threshold."""

    boxes: FloatArray
    """(M,4) xyxy in the frame."""
    confidence: FloatArray
    """(M,) in [0,1], descending."""

    @classmethod
    def from_rows(cls, rows: FloatArray) -> "GivenBoxes":
        """Sort ``rows`` (M,5) of xyxy and confidence; equal confidences keep their order."""
        ordered = rows[np.argsort(-rows[:, 4], kind="stable")]
        return cls(ordered[:, :4], ordered[:, 4])

    @property
    def peak(self) -> tuple[float, float]:
        """(x, y) of the centre of the box with the highest confidence."""
        x0, y0, x1, y1 = self.boxes[0].tolist()
        return (x0 + x1) / 2, (y0 + y1) / 2
