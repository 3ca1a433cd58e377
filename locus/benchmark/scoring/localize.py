"""Convert a heat map to the frame of the truth: pixels for pictures, exact boxes for scores."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from locus.benchmark.scoring.surface import all_boxes, as_heat_map, surface
from locus.core.errors import BadValueError
from locus.core.frames import Alignment, Grid, resample, resolve
from locus.core.types import FloatArray


def to_frame(values: ArrayLike, frame: tuple[int, int], grid: Grid | Alignment) -> NDArray[np.float32]:
    """Interpolate a map (h,w) on its ``grid`` at the pixel centres of ``frame``: (H,W) float32, bilinear, unscaled.

    ``grid`` is a ``locus.core.frames.Grid`` or the word ``conventional``. Raises ``BadValueError`` for another ``grid``
    and for a map with NaN or infinite values.

    >>> to_frame([[0, 1]], (1, 4), "conventional").tolist()
    [[0.0, 0.25, 0.75, 1.0]]
    """
    array = as_heat_map(values)
    return resample(array, resolve(grid, (array.shape[0], array.shape[1]), frame), frame)


def boxes(values: ArrayLike, threshold: float, frame: tuple[int, int], grid: Grid | Alignment) -> FloatArray:
    """Return the boxes (M,4) xyxy in ``frame`` of a heat map (h,w) above a threshold, computed exactly.

    Each connected component of the bilinear surface above the threshold gives its outer box; a ring gives one box.
    Boxes are sorted by their highest value, descending, then in row-major order. A constant map gives (0,4). Raises
    ``BadValueError`` for a threshold or a map with NaN or infinite values.

    >>> boxes([[0, 0, 0, 0], [0, 1, 0, 0]], .5, (20, 40), "conventional").tolist()
    [[10.0, 10.0, 20.0, 20.0]]
    """
    if not np.isfinite(threshold):
        raise BadValueError(f"the score threshold is {threshold}: give a finite number, in the unit of the map")
    return all_boxes(surface(values, frame, grid), threshold)[0]
