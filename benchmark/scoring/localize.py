"""From a heat map to the frame of the truth: pixels for pictures, exact boxes for scores."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.scoring.surface import all_boxes, as_heat_map, surface
from core.errors import BadValueError
from core.frames import Alignment, Grid, resample, resolve
from core.types import FloatArray


def to_frame(values: ArrayLike, frame: tuple[int, int], grid: Grid | Alignment) -> NDArray[np.float32]:
    """(h,w) map on its ``grid`` -> (H,W) float32 at the pixel centres of ``frame``, bilinear, never scaled.

    ``grid`` is a ``core.frames.Grid`` or the word ``conventional``. Raises ``BadValueError`` for anything else, and for
    a map with nan or inf.

    >>> to_frame([[0, 1]], (1, 4), "conventional").tolist()
    [[0.0, 0.25, 0.75, 1.0]]
    """
    array = as_heat_map(values)
    return resample(array, resolve(grid, (array.shape[0], array.shape[1]), frame), frame)


def boxes(values: ArrayLike, threshold: float, frame: tuple[int, int], grid: Grid | Alignment) -> FloatArray:
    """(h,w) map on its ``grid`` -> (M,4) xyxy in ``frame``: exact boxes of the components of {surface > threshold}.

    Outer extents only: a ring gives one box. By highest vertex, descending, then in row-major order. A flat map,
    constant 0 or any other value, gives (0,4). Raises ``BadValueError`` for a threshold or a map with nan or inf.

    >>> boxes([[0, 0, 0, 0], [0, 1, 0, 0]], .5, (20, 40), "conventional").tolist()
    [[10.0, 10.0, 20.0, 20.0]]
    """
    if not np.isfinite(threshold):
        raise BadValueError(f"the score threshold is {threshold}: give a number, in the unit of the map")
    return all_boxes(surface(values, frame, grid), threshold)[0]
