"""Geometry of images: frames, boxes and the grids of feature maps.

A frame is the (H, W) of the image in whose pixels boxes and positions are given. In every frame, pixel i covers
[i, i+1) and has its centre at i + .5. Boxes are (M,4) float64 arrays of half-open xyxy edges, all in one frame.

The file has areas and overlaps of boxes (``iou``, ``iobb``), the ``Grid`` of a map, interpolation from one grid to
another, and conversion of boxes and images between frames. ``locus.backbones.grids`` computes the grid of a network.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from numbers import Integral, Real
from typing import Any, Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from locus.core.errors import BadValueError, one_line
from locus.core.types import FloatArray

log = logging.getLogger(__name__)
Numbers = TypeVar("Numbers", FloatArray, NDArray[np.float32])
Alignment = Literal["aligned", "conventional"]
"""Positions of a map. aligned: the true ones of the feature map, from the network's strides and paddings. conventional:
those that ``interpolate(align_corners=False)`` assumes. Neither means ``align_corners=True``."""


def as_boxes(boxes: ArrayLike) -> FloatArray:
    """Convert boxes to (M,4) float64. An empty list becomes (0,4), a single box (1,4). Raises ``BadValueError``.

    >>> as_boxes([]).shape
    (0, 4)
    """
    try:
        return np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    except (TypeError, ValueError) as error:
        raise BadValueError(
            f"the boxes are {type(boxes).__name__}: give (M, 4) numbers, x0 y0 x1 y1"
        ) from error


def xywh_to_xyxy(boxes: ArrayLike) -> FloatArray:
    """Convert (M,4) boxes from (left, top, width, height) to xyxy.

    >>> xywh_to_xyxy([[10, 20, 5, 8]]).tolist()
    [[10.0, 20.0, 15.0, 28.0]]
    """
    array = as_boxes(boxes)
    corner = array[:, :2]
    size = array[:, 2:]
    return np.column_stack([corner, corner + size])


def area(boxes: ArrayLike) -> FloatArray:
    """Return the (M,) areas of (M,4) boxes in squared pixels of the frame; an inverted box has area 0."""
    x0, y0, x1, y1 = as_boxes(boxes).T
    return np.clip(x1 - x0, 0, None) * np.clip(y1 - y0, 0, None)


def intersection(first: ArrayLike, second: ArrayLike) -> FloatArray:
    """Return the (M,N) areas of the overlaps of (M,4) and (N,4) boxes."""
    left = as_boxes(first)[:, None]
    right = as_boxes(second)[None]
    low = np.maximum(left[..., :2], right[..., :2])
    high = np.minimum(left[..., 2:], right[..., 2:])
    sides = np.clip(high - low, 0, None)
    return np.asarray(sides[..., 0] * sides[..., 1])


def iou(first: ArrayLike, second: ArrayLike) -> FloatArray:
    """Compute the intersection over union of each pair of boxes.

    Args:
        first: (M,4) boxes xyxy, half-open, in pixels of one frame.
        second: (N,4) boxes xyxy in the same frame.

    Returns:
        (M,N) float64 in [0,1]; nan if both boxes are empty.

    Raises:
        BadValueError: boxes of another shape or type.

    Example:
        >>> iou([[0, 0, 2, 2]], [[1, 0, 3, 2]]).round(3).tolist()
        [[0.333]]
    """
    overlap = intersection(first, second)
    return ratio(overlap, area(first)[:, None] + area(second)[None] - overlap)


def iobb(first: ArrayLike, second: ArrayLike) -> FloatArray:
    """Compute the intersection divided by the area of the ``first`` boxes, the predictions.

    Source: Wang et al., CVPR 2017, "intersection over the detected B-Box area ratio".

    Args:
        first: (M,4) predicted boxes xyxy, half-open, in pixels of one frame.
        second: (N,4) truth boxes xyxy in the same frame.

    Returns:
        (M,N) float64 in [0,1]; nan if the first box is empty.

    Raises:
        BadValueError: boxes of another shape or type.

    Example:
        >>> iobb([[0, 0, 4, 4]], [[0, 0, 2, 2]]).tolist()
        [[0.25]]
    """
    overlap = intersection(first, second)
    return ratio(overlap, np.broadcast_to(area(first)[:, None], overlap.shape))


def holds(boxes: ArrayLike, points: ArrayLike) -> NDArray[np.bool_]:
    """Return (M,N) bool: True where one of the (M,4) boxes contains one of the (N,2) points (x, y), edges included.

    >>> holds([[0, 0, 2, 2]], [[2, 1], [3, 1]]).tolist()
    [[True, False]]
    """
    x, y = np.asarray(points, dtype=np.float64).reshape(-1, 2).T
    x0, y0, x1, y1 = as_boxes(boxes).T[..., None]
    return (x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1)


def clip(boxes: ArrayLike, frame: tuple[int, int]) -> FloatArray:
    """Clip (M,4) boxes to the ``frame`` (H, W). A box outside the frame becomes empty (area 0)."""
    height, width = frame
    return np.clip(as_boxes(boxes), 0, np.array([width, height, width, height], dtype=np.float64))


def box_flaws(boxes: FloatArray, limits: FloatArray) -> dict[str, NDArray[np.bool_]]:
    """Return what makes boxes invalid, with advice -> (M,) True for such boxes.

    ``limits``: (M,4) or (4,), width, height, width and height of their images. Boxes that are partly outside are valid.

    >>> [flaw for flaw, wrong in box_flaws(as_boxes([[2, 2, 2.5, 9]]), as_boxes([[9] * 4])).items() if wrong.any()]
    ['narrower than a pixel; give pixels of the image as published, not fractions of its sides']
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    clipped = np.clip(boxes, 0, limits)
    flaws = {
        "not four finite numbers; correct them": ~np.isfinite(boxes),
        "inverted or empty; x0 < x1 and y0 < y1 are required": ~(sides > 0),
        "narrower than a pixel; give pixels of the image as published, not fractions of its sides": sides
        < 1,
        "outside their image; correct them": ~(clipped[:, 2:] > clipped[:, :2]),
    }
    return {flaw: np.asarray(is_wrong.any(axis=1)) for flaw, is_wrong in flaws.items()}


def checked_boxes(boxes: ArrayLike, frame: tuple[int, int], where: str) -> FloatArray:
    """Return (M,4) boxes clipped to their ``frame`` (H, W), with a warning if one is clipped.

    Raises ``BadValueError``, beginning with ``where``, for a frame or boxes that are not valid; see ``box_flaws``.
    """
    if np.shape(frame) != (2,) or not all(
        isinstance(side, Integral) and side >= 1 for side in frame
    ):
        raise BadValueError(f"{where}: the frame is {frame}: give (height, width) in whole pixels")
    try:
        array = np.asarray(boxes)
    except (TypeError, ValueError, RuntimeError) as error:
        raise BadValueError(f"{where}: {one_line(error)}") from None
    if not array.size:
        array = np.zeros((0, 4))
    if (
        array.dtype.kind not in "biuf"
        or np.ma.is_masked(boxes)
        or array.ndim != 2
        or array.shape[1] != 4
    ):
        raise BadValueError(
            f"{where}: the boxes are {array.dtype} {array.shape}: give (M, 4) numbers, x0 y0 x1 y1"
        )
    array = array.astype(np.float64)
    height, width = frame
    limits = np.array([width, height, width, height], np.float64)
    _, first_index = np.unique(array, axis=0, return_index=True)
    is_repeated = np.ones(len(array), bool)
    is_repeated[first_index] = False
    for flaw_and_advice, is_wrong in {
        **box_flaws(array, limits),
        "repeated; keep one of each": is_repeated,
    }.items():
        if is_wrong.any():
            flaw, _, advice = flaw_and_advice.partition("; ")
            first = array[is_wrong.argmax()].tolist()
            count = f"{is_wrong.sum()} of {len(array)} boxes are {flaw}"
            raise BadValueError(f"{where}: {count}, first {first}: {advice}")
    is_outside = ((array < 0) | (array > limits)).any(axis=1)
    if is_outside.any():
        log.warning("%s: clipped %d boxes at the edge of their image", where, int(is_outside.sum()))
    return clip(array, frame)


def ratio(numerator: Numbers, denominator: Numbers) -> Numbers:
    """Return ``numerator`` / ``denominator``; nan for a denominator of 0."""
    return np.divide(
        numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0
    )


@dataclass(frozen=True)
class Grid:
    """Positions of a feature map: cell i is centred on input pixel ``offset + stride * i``. Fields are (y, x).

    ``interpolate(align_corners=False)`` always assumes the offset (stride - 1) / 2; that of a ResNet is 0.

    Args:
        size: (H, W) of the network's input in pixels.
        stride: distance between neighbouring cells in input pixels.
        offset: input pixel at the centre of cell 0.

    Raises:
        BadValueError: a field that is not two numbers, or a size or stride that is not above 0.

    Example:
        >>> Grid((224, 224), (32, 32), (0, 0)).centres((7, 7), (1024, 1024))[1][:2].round(2).tolist()
        [2.29, 148.57]
    """

    size: tuple[int, int]
    """(H, W) of the network's input in pixels."""
    stride: tuple[float, float]
    """Distance between neighbouring cells in input pixels."""
    offset: tuple[float, float]
    """Input pixel at the centre of cell 0."""

    def __post_init__(self) -> None:
        _require_pair("size", self.size, least=1)
        _require_pair("stride", self.stride, least=0)
        _require_pair("offset", self.offset, least=None)

    def centres(
        self, shape: tuple[int, int], frame: tuple[int, int]
    ) -> tuple[FloatArray, FloatArray]:
        """Return the centres of the rows and columns of a map.

        These are continuous coordinates, as of boxes: the centre of pixel i is i + .5.

        Args:
            shape: rows and columns (h, w) of the map.
            frame: height and width (H, W) in pixels of the image in which the centres are given.

        Returns:
            y (h,) and x (w,).
        """
        y, x = (
            (self.offset[axis] + self.stride[axis] * np.arange(shape[axis], dtype=np.float64) + 0.5)
            * (frame[axis] / self.size[axis])
            for axis in (0, 1)
        )
        return y, x

    def covers(self, shape: tuple[int, int]) -> bool:
        """Return True if a map can have this grid: about as large as the input, with the same middle.

        It may also be a square as long as the longer side of the input (an image padded to a square) or as the shorter
        side (its central square).

        Args:
            shape: rows and columns (h, w) of the map.

        Example:
            >>> grid = Grid((224, 224), (32, 32), (0, 0))
            >>> grid.covers((7, 7)), grid.covers((224, 224)), Grid((224, 224), (32, 32), (500, 0)).covers((7, 7))
            (True, False, False)
            >>> padded, stretched = Grid((120, 80), (10, 10), (4.5, -15.5)), Grid((120, 80), (20, 10), (9.5, 4.5))
            >>> padded.covers((12, 12)), stretched.covers((12, 8))
            (True, False)
        """
        for count, stride, offset, side in zip(
            shape, self.stride, self.offset, self.size, strict=True
        ):
            map_middle = offset + stride * (count - 1) / 2
            image_middle = (side - 1) / 2
            if abs(map_middle - image_middle) > max(stride, side / 8):
                return False
        around = max(self.size)
        within = min(self.size)
        return any(
            self._spans(shape, sides) for sides in (self.size, (around, around), (within, within))
        )

    def _spans(self, shape: tuple[int, int], sides: tuple[int, int]) -> bool:
        """Return True if a (h, w) map with this grid is about as large as a rectangle with these ``sides``."""
        return all(
            abs(count * stride - side) <= max(2 * stride, side / 4)
            for count, stride, side in zip(shape, self.stride, sides, strict=True)
        )


def _require_pair(name: str, values: Any, least: float | None) -> None:
    """Raise ``BadValueError`` unless a field of a grid is two finite numbers, above 0 and not below ``least``."""
    is_pair = isinstance(values, tuple | list) and len(values) == 2
    is_numeric = is_pair and all(isinstance(value, Real) and isfinite(value) for value in values)
    if not is_numeric or (least is not None and (min(values) < least or min(values) == 0)):
        above = "" if least is None else " above 0"
        raise BadValueError(
            f"the {name} of a grid is {values!r}: give two numbers{above} (y, x), in pixels"
        )


def conventional(size: tuple[int, int], shape: tuple[int, int]) -> Grid:
    """Return the grid that ``interpolate(align_corners=False)`` assumes for a (h, w) map of an (H, W) input."""
    stride = (size[0] / shape[0], size[1] / shape[1])
    return Grid(size, stride, ((stride[0] - 1) / 2, (stride[1] - 1) / 2))


def resolve(grid: "Grid | Alignment", shape: tuple[int, int], frame: tuple[int, int]) -> Grid:
    """Return ``grid`` as a ``Grid``; ``conventional`` is that of the shape.

    Raises ``BadValueError`` for a grid that does not cover the frame, for a map of pixels with the sides of the frame
    swapped, and for ``aligned``: aligned positions depend on the network, so they require a ``Grid``.
    """
    if isinstance(grid, Grid):
        if not grid.covers(shape) or grid.size == frame[::-1] != frame:
            raise BadValueError(
                f"{grid} does not place {shape[0]}x{shape[1]} positions on an image of {frame[0]}x{frame[1]} pixels: "
                "give size, stride and offset as (y, x) in pixels of the network's input"
            )
        return grid
    if grid == "conventional":
        if shape == frame[::-1] != frame:
            raise BadValueError(
                f"a map is {shape}, but its image is {frame} (height, width): the sides are swapped"
            )
        return conventional(frame, shape)
    raise BadValueError(
        f"the grid of a map is {grid!r}: give a locus.core.frames.Grid or 'conventional'"
    )


def resample(values: ArrayLike, grid: Grid, frame: tuple[int, int]) -> NDArray[np.float32]:
    """Interpolate a (h, w) map on ``grid`` bilinearly to the pixel centres of the ``frame``, (H, W) float32.

    The result is constant beyond the outermost cells. For a conventional grid it equals
    ``torch.nn.functional.interpolate`` to float32 precision.
    """
    array = np.asarray(values, dtype=np.float64)
    height, width = array.shape
    rows, columns = interpolation(grid, (height, width), conventional(grid.size, frame), frame)
    used_rows = rows.any(0)  # a map that shrinks has rows and columns without any weight
    used_columns = columns.any(0)
    used = array[np.ix_(used_rows, used_columns)]
    return np.asarray(rows[:, used_rows] @ used @ columns[:, used_columns].T, dtype=np.float32)


def interpolation(
    grid: Grid, shape: tuple[int, int], target: Grid, target_shape: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """Return the matrices that resample a map to another grid: ``rows @ map @ columns.T``.

    Bilinear, and constant beyond the outermost cells.

    Args:
        grid: the grid of the map.
        shape: rows and columns (h, w) of the map.
        target: the other grid; both refer to the same input.
        target_shape: rows and columns (H, W) of the result.

    Returns:
        ``rows`` (H, h) and ``columns`` (W, w).

    Example:
        >>> rows, _ = interpolation(Grid((4, 4), (2, 2), (0, 0)), (2, 2), Grid((4, 4), (1, 1), (0, 0)), (4, 4))
        >>> rows[:, 1].tolist()
        [0.0, 0.5, 1.0, 1.0]
    """
    weights = []
    for axis, centres in enumerate(target.centres(target_shape, grid.size)):
        positions = (centres - 0.5 - grid.offset[axis]) / grid.stride[axis]  # in cells of ``grid``
        weights.append(interpolation_weights(np.arange(float(shape[axis])), positions))
    rows, columns = weights
    return rows, columns


def interpolation_weights(knots: FloatArray, points: FloatArray) -> FloatArray:
    """Return the (m,n) weights of linear interpolation from n ascending knots to m points, constant beyond the knots.

    >>> interpolation_weights(np.array([0.0, 4.0]), np.array([1.0, 9.0])).tolist()
    [[0.75, 0.25], [0.0, 1.0]]
    """
    if len(knots) == 1:
        return np.ones((len(points), 1))
    low = np.clip(np.searchsorted(knots, points, side="right") - 1, 0, len(knots) - 2)
    share = np.clip((points - knots[low]) / (knots[low + 1] - knots[low]), 0, 1)
    weights = np.zeros((len(points), len(knots)))
    rows = np.arange(len(points))
    weights[rows, low] = 1 - share
    weights[rows, low + 1] = share
    return weights


def scale_boxes(boxes: ArrayLike, source: tuple[int, int], target: tuple[int, int]) -> FloatArray:
    """Convert (M,4) boxes from the frame ``source`` (H, W) to ``target`` (H, W) without rounding.

    >>> scale_boxes([[0, 0, 1024, 512]], (1024, 1024), (320, 320)).tolist()
    [[0.0, 0.0, 320.0, 160.0]]
    """
    y_scale = target[0] / source[0]
    x_scale = target[1] / source[1]
    return as_boxes(boxes) * np.array([x_scale, y_scale, x_scale, y_scale])


def resize_image(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize an (H, W) uint8 image: area averaging when it shrinks, bilinear when it grows (no crop, no pad).

    Raises ``BadValueError`` for pixels of another shape or type.
    """
    if (
        not isinstance(image, np.ndarray)
        or image.dtype != np.uint8
        or image.ndim != 2
        or not image.size
    ):
        kind = (
            f"{image.dtype} {image.shape}"
            if isinstance(image, np.ndarray)
            else type(image).__name__
        )
        raise BadValueError(
            f"the pixels of an image are {kind}: give an (H, W) uint8 array, 0 black to 255 white"
        )
    if image.shape == tuple(size):
        return image
    height, width = size
    shrinks = image.shape[0] >= height and image.shape[1] >= width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), dtype=np.uint8)


def square_pixels(images: Sequence[NDArray[np.uint8]], side: int) -> NDArray[np.uint8]:
    """Resize N (H, W) uint8 images of any size to (N, side, side) uint8 with ``resize_image``."""
    return np.stack([resize_image(image, (side, side)) for image in images])


def box_coverage(boxes: ArrayLike, source: tuple[int, int], shape: tuple[int, int]) -> FloatArray:
    """Return the share of each of (h, w) cells that a box covers, in [0,1]; with several boxes, the largest share.

    Boxes are (M,4) in the frame ``source`` (H, W).

    >>> box_coverage([[0, 0, 3, 2]], (4, 4), (2, 2)).tolist()
    [[1.0, 0.5], [0.0, 0.0]]
    """
    coverage = np.zeros(shape)
    for box in scale_boxes(boxes, source, shape):
        rows, columns = side_coverage(box, shape)
        coverage = np.maximum(coverage, np.outer(rows, columns))
    return coverage


def side_coverage(box: FloatArray, shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Return the share of each of h rows and of w columns that a box (4,) covers; (h, w) is the frame of the box.

    >>> side_coverage(np.array([0, 0, 1.5, 1]), (2, 2))
    (array([1., 0.]), array([1. , 0.5]))
    """
    rows = np.arange(shape[0])
    columns = np.arange(shape[1])
    x0, y0, x1, y1 = box
    return (
        np.clip(np.minimum(y1, rows + 1) - np.maximum(y0, rows), 0, 1),
        np.clip(np.minimum(x1, columns + 1) - np.maximum(x0, columns), 0, 1),
    )
