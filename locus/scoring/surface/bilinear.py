"""A heat map's bilinear surface on its frame: exact boxes, maxima and integrals, without pixels.

The vertices of the surface are the map's h×w positions, placed by its grid and cropped to the frame; beyond the
outermost vertices the surface is constant. Every component of {surface > t} contains a vertex. Neighbours above t are
connected along their edge. If only two opposite corners of a patch are above t, they are connected if the saddle
exceeds t. The boundary inside a patch is a hyperbola, monotone in both directions, so a component's extremes are on
grid lines, where linear interpolation finds them. Values and integrals along one axis are weighted sums of vertices.

``Surface`` and ``surface`` come first, then the boxes of all components at given thresholds (compiled, in ``_runs``),
and ``to_frame`` and ``boxes``, the same for an array. The highest component at all thresholds is in ``trace``.
"""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from locus.core.errors import BadValueError
from locus.core.frames import Alignment, Grid, interpolation_weights, resample, resolve
from locus.core.types import FloatArray

if TYPE_CHECKING:
    from scipy import sparse


@dataclass(frozen=True, eq=False)
class Surface:
    """A heat map as a continuous function on a frame, which it covers completely."""

    values: FloatArray
    """(h,w) values at the vertices in the frame."""
    y: FloatArray
    """(h,) rows of the vertices, ascending, in the frame."""
    x: FloatArray
    """(w,) columns of the vertices, ascending, in the frame."""
    frame: tuple[int, int]
    """(H, W)."""

    @functools.cached_property
    def span(self) -> tuple[float, float]:
        """Lowest and highest value."""
        return float(self.values.min()), float(self.values.max())

    @property
    def flat(self) -> bool:
        """True if the surface is constant: it has no box."""
        return self.span[0] == self.span[1]

    @property
    def peak(self) -> tuple[float, float]:
        """(x, y) of the highest vertex in the frame, the first in row-major order on ties."""
        row, column = divmod(int(self.values.argmax()), self.values.shape[1])
        return float(self.x[column]), float(self.y[row])

    @property
    def integral(self) -> float:
        """Integral over the whole frame, exact."""
        height, width = self.frame
        rows, columns = whole_weights(self.y, height), whole_weights(self.x, width)
        return float((rows @ self.values @ columns.T)[0, 0])

    @property
    def mean(self) -> float:
        """Mean over the whole frame, exact."""
        height, width = self.frame
        return self.integral / (height * width)

    def integrals(self, y: ArrayLike, x: ArrayLike) -> FloatArray:
        """Return the exact integrals (m,n) over the cells between ascending rows (m+1,) and columns (n+1,)."""
        return np.asarray(integral_weights(self.y, y) @ self.values @ integral_weights(self.x, x).T)

    def pixel_integrals(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> FloatArray:
        """Return the exact integrals (m,n) over the pixels in these ``rows`` (m,) and ``columns`` (n,) of the frame."""
        height, width = self.frame
        of_rows = pixel_weights(self.y, height)[rows] @ self.values
        return np.asarray((pixel_weights(self.x, width)[columns] @ of_rows.T).T)


def surface(values: ArrayLike, frame: tuple[int, int], grid: Grid | Alignment) -> Surface:
    """Return the surface of a map (h,w) on its ``grid``, cropped to the ``frame`` (H, W).

    Raises ``BadValueError`` for a map that is not two-dimensional or not finite, and for a missing grid.
    """
    return surface_of(as_heat_map(values), frame, grid)


def surface_of(array: FloatArray, frame: tuple[int, int], grid: Grid | Alignment) -> Surface:
    """Return the surface of an ``array`` (h,w) that is known to be finite; see ``surface``."""
    shape = (array.shape[0], array.shape[1])
    (y, rows), (x, columns) = _axes(resolve(grid, shape, frame), shape, frame)
    if rows is not None and columns is not None:
        array = np.clip(
            rows @ array @ columns.T, array.min(), array.max()
        )  # keeps a constant map constant
    return Surface(np.ascontiguousarray(array), y, x, frame)


Axis = tuple[FloatArray, FloatArray | None]
"""Vertices along an axis, and the map's interpolation weights at them; None if they are the positions."""


@functools.lru_cache(maxsize=256)
def _axes(grid: Grid, shape: tuple[int, int], frame: tuple[int, int]) -> tuple[Axis, Axis]:
    """Return rows and columns; all maps of a model share them."""
    centres = grid.centres(shape, frame)
    inside = [np.unique(np.clip(c, 0, side)) for c, side in zip(centres, frame, strict=True)]
    if all(map(np.array_equal, centres, inside)):
        return (centres[0], None), (centres[1], None)
    y, x = (
        (vertices, interpolation_weights(c, vertices))
        for c, vertices in zip(centres, inside, strict=True)
    )
    return y, x


def integral_weights(knots: FloatArray, edges: ArrayLike) -> FloatArray:
    """Return the weights (m,n) of the values at ascending ``knots`` (n,) in the integrals between ``edges`` (m+1,).

    The trapezoid rule is exact between knots.

    >>> integral_weights(np.array([0.0, 4.0]), [0, 4, 5]).tolist()
    [[2.0, 2.0], [0.0, 1.0]]
    """
    ends = np.asarray(edges, dtype=np.float64)
    points = np.unique(np.concatenate([ends, knots[(knots > ends[0]) & (knots < ends[-1])]]))
    pieces = np.diff(points)[:, None] * interpolation_weights(knots, (points[1:] + points[:-1]) / 2)
    weights = np.zeros((len(ends) - 1, len(knots)))
    np.add.at(weights, np.searchsorted(ends, points[:-1], side="right") - 1, pieces)
    return weights


def pixel_weights(knots: FloatArray, side: int) -> "sparse.csr_array":
    """Return the weights (side,n) of the values at ``knots`` (n,) in the integrals over ``side`` pixels; cached.

    A pixel touches few of the knots of a map in pixels, so products of a full matrix would take a hundred times longer.
    """
    return _of_pixels(knots.tobytes(), side)


@functools.lru_cache(maxsize=16)
def _of_pixels(knots: bytes, side: int) -> "sparse.csr_array":
    from scipy import sparse  # imported late, because a picture does not need it

    return sparse.csr_array(integral_weights(np.frombuffer(knots), np.arange(side + 1)))


def whole_weights(knots: FloatArray, side: int) -> FloatArray:
    """Return the weights (1,n) of the values at ``knots`` (n,) in the integral from 0 to ``side``; cached."""
    return _whole(knots.tobytes(), side)


@functools.lru_cache(maxsize=256)
def _whole(knots: bytes, side: int) -> FloatArray:
    return integral_weights(np.frombuffer(knots), [0, side])


def min_max(values: ArrayLike) -> FloatArray:
    """Scale a map (h,w) to [0,1]; a constant map gives 0 everywhere. Raises like ``as_heat_map``.

    >>> min_max([[-1, 0, 3]]).tolist(), min_max([[7, 7]]).tolist()
    ([[0.0, 0.25, 1.0]], [[0.0, 0.0]])
    """
    array = as_heat_map(values)
    low, high = array.min(), array.max()
    scaled = array - low
    if high > low:
        scaled /= high - low
    return scaled


def as_heat_map(values: ArrayLike) -> FloatArray:
    """Return a map as (h,w) float64. Raises ``BadValueError`` for another shape, NaN or infinite values."""
    if hasattr(values, "detach"):  # a tensor of any device and type
        values = values.detach().cpu().double().numpy()
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or 0 in array.shape:
        raise BadValueError(
            f"the heat map has the shape {array.shape}, not (h, w): pass one finding of one image"
        )
    bad = ~np.isfinite(array)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise BadValueError(
            f"the heat map has NaN or infinite values, the first at ({row}, {column})"
        )
    return array


def all_boxes(heat: Surface, threshold: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the outer boxes (M,4) of all components above a threshold, and the highest value (M,) of each.

    Sorted by highest vertex, descending, then in row-major order. A flat surface has none.
    """
    boxes, _, positions = components(heat, threshold)
    peaks = heat.values.ravel()[positions]
    order = np.lexsort((positions, -peaks))
    return boxes[order], peaks[order]


def components(
    heat: Surface, thresholds: ArrayLike
) -> tuple[FloatArray, NDArray[np.int64], NDArray[np.int64]]:
    """Return boxes (M,4) of all components at ``thresholds`` (T,), their threshold index (M,) and peak (M,).

    Unlike in ``all_boxes``, boxes are not sorted within a threshold. A peak is the row-major index of the highest
    vertex.
    """
    if heat.flat:
        return np.zeros((0, 4)), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)

    levels = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
    from locus.scoring.surface._runs import (
        boxes_of_runs,  # numba takes a second; pictures without boxes skip it
    )

    boxes, index, positions = boxes_of_runs(heat.values, heat.y, heat.x, *heat.frame, levels)
    return boxes, index, positions


def to_frame(
    values: ArrayLike, frame: tuple[int, int], grid: Grid | Alignment
) -> NDArray[np.float32]:
    """Interpolate a map bilinearly at the pixel centres of a frame; its values are not scaled.

    Args:
        values: (h,w) map.
        frame: (H,W) of the image in pixels.
        grid: positions of the map in the image: a ``locus.Grid`` or ``conventional``.

    Returns:
        (H,W) float32.

    Raises:
        BadValueError: another ``grid``, or a map with NaN or infinite values.

    Example:
        >>> to_frame([[0, 1]], (1, 4), "conventional").tolist()
        [[0.0, 0.25, 0.75, 1.0]]
    """
    array = as_heat_map(values)
    return resample(array, resolve(grid, (array.shape[0], array.shape[1]), frame), frame)


def boxes(
    values: ArrayLike, threshold: float, frame: tuple[int, int], grid: Grid | Alignment
) -> FloatArray:
    """Return the boxes of a heat map above a threshold, computed exactly on its bilinear surface.

    Each connected component of the surface above the threshold gives its outer box; a ring gives one box.

    Args:
        values: (h,w) heat map.
        threshold: score threshold, in the unit of the map.
        frame: (H,W) of the image in pixels.
        grid: positions of the map in the image: a ``locus.Grid`` or ``conventional``.

    Returns:
        (M,4) float64 boxes xyxy in the frame, sorted by their highest value, descending, then in row-major order. A
        constant map gives (0,4).

    Raises:
        BadValueError: a threshold or a map with NaN or infinite values, or another ``grid``.

    Example:
        >>> boxes([[0, 0, 0, 0], [0, 1, 0, 0]], .5, (20, 40), "conventional").tolist()
        [[10.0, 10.0, 20.0, 20.0]]
    """
    if not np.isfinite(threshold):
        raise BadValueError(
            f"the score threshold is {threshold}: give a finite number, in the unit of the map"
        )
    return all_boxes(surface(values, frame, grid), threshold)[0]
