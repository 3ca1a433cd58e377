"""The box of the component that holds the highest vertex, flooded anew at each threshold: the oracle of a trace."""

import numpy as np
from numpy.typing import ArrayLike

from benchmark.surface.bilinear import Surface, as_levels
from benchmark.surface.flood import flood
from core.types import FloatArray


def peak_boxes(on: Surface, thresholds: ArrayLike) -> FloatArray:
    """(T,) thresholds -> (T,4) boxes in the frame; nan where nothing is above, and for a flat surface."""
    levels, values = as_levels(thresholds), on.values
    out = np.full((len(levels), 4), np.nan)
    seen, stack = np.full(values.size, -1, np.int64), np.empty(values.size, np.int64)
    for n, level in enumerate(levels):
        if values.max() > level and not on.flat:
            flood(values, on.y, on.x, *on.frame, level, values.argmax(), n, seen, stack, out[n])
    return out
