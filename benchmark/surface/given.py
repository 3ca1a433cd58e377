"""Boxes that somebody gave in place of a map, with what protocols ask of a map: a peak, a trace and all boxes."""

from dataclasses import dataclass

import numpy as np

from benchmark.surface.trace import Trace
from core.types import FloatArray


@dataclass(frozen=True, eq=False)
class GivenBoxes:
    """The boxes of one image and finding, at least one, highest confidence first: the same at every score threshold."""

    boxes: FloatArray
    """(M,4) xyxy in the frame."""
    confidence: FloatArray
    """(M,) in [0,1], descending."""

    @classmethod
    def from_rows(cls, rows: FloatArray) -> "GivenBoxes":
        """(M,5) xyxy and confidence, in any order; of equal confidences the first stays first."""
        ordered = rows[np.argsort(-rows[:, 4], kind="stable")]
        return cls(ordered[:, :4], ordered[:, 4])

    @property
    def peak(self) -> tuple[float, float]:
        """(x, y) of the centre of the box with the highest confidence."""
        x0, y0, x1, y1 = self.boxes[0].tolist()
        return (x0 + x1) / 2, (y0 + y1) / 2

    @property
    def trace(self) -> Trace:
        """The box with the highest confidence at every threshold in [0,1)."""
        return Trace(np.array([0.0, 1.0]), self.boxes[:1], self.boxes[:1])
