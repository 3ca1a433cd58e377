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
from typing import Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from locus.core.errors import BadValueError, one_line
from locus.core.types import FloatArray


def as_boxes(boxes: ArrayLike) -> FloatArray:
    """Convert boxes to (M,4) float64. An empty list becomes (0,4), a single box (1,4). Raises ``BadValueError``.

    >>> as_boxes([]).shape
    (0, 4)
    """
    try:
        return np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    except (TypeError, ValueError) as error:
        raise BadValueError(f"the boxes are {type(boxes).__name__}: give (M, 4) numbers, x0 y0 x1 y1") from error


def xywh_to_xyxy(boxes: ArrayLike) -> FloatArray:
    """Convert (M,4) boxes from (left, top, width, height) to xyxy.

    >>> xywh_to_xyxy([[10, 20, 5, 8]]).tolist()
    [[10.0, 20.0, 15.0, 28.0]]
    """
    b = as_boxes(boxes)
    return np.column_stack([b[:, :2], b[:, :2] + b[:, 2:]])


def area(boxes: ArrayLike) -> FloatArray:
    """Return the (M,) areas of (M,4) boxes in squared pixels of the frame; an inverted box has area 0."""
    b = as_boxes(boxes)
    return np.clip(b[:, 2] - b[:, 0], 0, None) * np.clip(b[:, 3] - b[:, 1], 0, None)


def intersection(first: ArrayLike, second: ArrayLike) -> FloatArray:
    """Return the (M,N) areas of the overlaps of (M,4) and (N,4) boxes."""
    a, b = as_boxes(first)[:, None], as_boxes(second)[None]
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    sides = np.clip(high - low, 0, None)
    return np.asarray(sides[..., 0] * sides[..., 1])


def iou(first: ArrayLike, second: ArrayLike) -> FloatArray:
    """Return the (M,N) intersection over union of (M,4) and (N,4) boxes, in [0,1]; nan if both boxes are empty.

    >>> iou([[0, 0, 2, 2]], [[1, 0, 3, 2]]).round(3).tolist()
    [[0.333]]
    """
    overlap = intersection(first, second)
    return _share(overlap, area(first)[:, None] + area(second)[None] - overlap)


def iobb(first: ArrayLike, second: ArrayLike) -> FloatArray:
    """Return the (M,N) intersection divided by the area of the ``first`` boxes; nan if the first box is empty.

    ``first`` are the predictions. Source: Wang et al., CVPR 2017, "intersection over the detected B-Box area ratio".

    >>> iobb([[0, 0, 4, 4]], [[0, 0, 2, 2]]).tolist()
    [[0.25]]
    """
    overlap = intersection(first, second)
    return _share(overlap, np.broadcast_to(area(first)[:, None], overlap.shape))


def holds(boxes: ArrayLike, points: ArrayLike) -> NDArray[np.bool_]:
    """Return (M,N) bool: True where one of the (M,4) boxes contains one of the (N,2) points (x, y), edges included.

    >>> holds([[0, 0, 2, 2]], [[2, 1], [3, 1]]).tolist()
    [[True, False]]
    """
    b, p = as_boxes(boxes)[:, None], np.asarray(points, dtype=np.float64)[None]
    return np.asarray(((b[..., :2] <= p) & (p <= b[..., 2:])).all(-1))


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
    sides, cut = boxes[:, 2:] - boxes[:, :2], np.clip(boxes, 0, limits)
    wrong = {
        "not four finite numbers; correct them": ~np.isfinite(boxes),
        "inverted or empty; x0 < x1 and y0 < y1 are required": ~(sides > 0),
        "narrower than a pixel; give pixels of the image as published, not fractions of its sides": sides < 1,
        "outside their image; correct them": ~(cut[:, 2:] > cut[:, :2]),
    }
    return {what: np.asarray(edges.any(axis=1)) for what, edges in wrong.items()}


def checked_boxes(boxes: ArrayLike, frame: tuple[int, int], where: str) -> FloatArray:
    """Return (M,4) boxes clipped to their ``frame`` (H, W), with a warning if one is clipped.

    Raises ``BadValueError``, beginning with ``where``, for a frame or boxes that are not valid; see ``box_flaws``.
    """
    if np.shape(frame) != (2,) or not all(isinstance(side, Integral) and side >= 1 for side in frame):
        raise BadValueError(f"{where}: the frame is {frame}: give (height, width) in whole pixels")
    try:
        array = np.asarray(boxes)
        array = array if array.size else np.zeros((0, 4))
    except (TypeError, ValueError, RuntimeError) as error:
        raise BadValueError(f"{where}: {one_line(error)}") from None
    if array.dtype.kind not in "biuf" or np.ma.is_masked(boxes) or array.ndim != 2 or array.shape[1] != 4:
        raise BadValueError(f"{where}: the boxes are {array.dtype} {array.shape}: give (M, 4) numbers, x0 y0 x1 y1")
    array, limits = array.astype(np.float64), np.array([*frame[::-1]] * 2, np.float64)
    repeated = np.ones(len(array), bool)
    repeated[np.unique(array, axis=0, return_index=True)[1]] = False
    for what, wrong in {**box_flaws(array, limits), "repeated; keep one of each": repeated}.items():
        if wrong.any():
            what, _, advice = what.partition("; ")
            count = f"{wrong.sum()} of {len(array)} boxes are {what}"
            raise BadValueError(f"{where}: {count}, first {array[wrong.argmax()].tolist()}: {advice}")
    if cut := int(((array < 0) | (array > limits)).any(axis=1).sum()):
        log.warning("%s: clipped %d boxes at the edge of their image", where, cut)
    return clip(array, frame)


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


log = logging.getLogger(__name__)
Alignment = Literal["aligned", "conventional"]
"""Positions of a map. aligned: the true ones of the feature map, from the network's strides and paddings. conventional:
those that ``interpolate(align_corners=False)`` assumes. Neither means ``align_corners=True``."""


@dataclass(frozen=True)
class Grid:
    """Positions of a feature map: cell i is centred on input pixel ``offset + stride * i``. Fields are (y, x).

    ``interpolate(align_corners=False)`` always assumes the offset (stride - 1) / 2; that of a ResNet is 0.

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
        for word, values, least in (("size", self.size, 1), ("stride", self.stride, 0), ("offset", self.offset, None)):
            pair = isinstance(values, tuple | list) and len(values) == 2
            numeric = pair and all(isinstance(value, Real) and isfinite(value) for value in values)
            if not numeric or (least is not None and (min(values) < least or min(values) == 0)):
                above = "" if least is None else " above 0"
                raise BadValueError(f"the {word} of a grid is {values!r}: give two numbers{above} (y, x), in pixels")

    def centres(self, shape: tuple[int, int], frame: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
        """Return the y and x of the centres of the rows and columns of a (h, w) map, in the ``frame`` (H, W).

        These are continuous coordinates, as of boxes: the centre of pixel i is i + .5.
        """
        axes = zip(shape, frame, self.size, self.stride, self.offset, strict=True)
        y, x = ((at + step * np.arange(n, dtype=np.float64) + 0.5) * (side / size) for n, side, size, step, at in axes)
        return y, x

    def covers(self, shape: tuple[int, int]) -> bool:
        """Return True if a (h, w) map can have this grid: about as large as the input, with the same middle.

        It may also be a square as long as the longer side of the input (an image padded to a square) or as the shorter
        side (its central square).

        >>> grid = Grid((224, 224), (32, 32), (0, 0))
        >>> grid.covers((7, 7)), grid.covers((224, 224)), Grid((224, 224), (32, 32), (500, 0)).covers((7, 7))
        (True, False, False)
        >>> Grid((120, 80), (10, 10), (4.5, -15.5)).covers((12, 12)), Grid((120, 80), (20, 10), (9.5, 4.5)).covers((12, 8))
        (True, False)
        """
        axes = list(zip(shape, self.stride, self.offset, self.size, strict=True))
        for count, stride, offset, side in axes:
            middle = offset + stride * (count - 1) / 2
            if abs(middle - (side - 1) / 2) > max(stride, side / 8):
                return False
        squares = (max(self.size),) * 2, (min(self.size),) * 2
        return any(
            all(
                abs(count * stride - side) <= max(2 * stride, side / 4)
                for (count, stride, _, _), side in zip(axes, sides, strict=True)
            )
            for sides in (self.size, *squares)
        )


def conventional(size: tuple[int, int], shape: tuple[int, int]) -> Grid:
    """Return the grid that ``interpolate(align_corners=False)`` assumes for a (h, w) map of an (H, W) input."""
    stride = (size[0] / shape[0], size[1] / shape[1])
    return Grid(size, stride, ((stride[0] - 1) / 2, (stride[1] - 1) / 2))


def resolve(grid: "Grid | Alignment", shape: tuple[int, int], frame: tuple[int, int]) -> Grid:
    """Return ``grid`` as a ``Grid``; ``conventional`` is that of the shape.

    Raises ``BadValueError`` for a grid that does not cover the frame, and for ``aligned``: aligned positions depend on
    the network, so they require a ``Grid``.
    """
    if isinstance(grid, Grid):
        if not grid.covers(shape) or grid.size == frame[::-1] != frame:
            raise BadValueError(
                f"{grid} does not place {shape[0]}x{shape[1]} positions on an image of {frame[0]}x{frame[1]} pixels: "
                "give size, stride and offset as (y, x) in pixels of the network's input"
            )
        return grid
    if grid == "conventional":
        return conventional(frame, shape)
    raise BadValueError(f"the grid of a map is {grid!r}: give a locus.core.frames.Grid or 'conventional'")


def resample(values: ArrayLike, grid: Grid, frame: tuple[int, int]) -> NDArray[np.float32]:
    """Interpolate a (h, w) map on ``grid`` bilinearly to the pixel centres of the ``frame``, (H, W) float32.

    The result is constant beyond the outermost cells. For a conventional grid it equals
    ``torch.nn.functional.interpolate`` to float32 precision.
    """
    array = np.asarray(values, dtype=np.float64)
    rows, columns = interpolation(grid, (array.shape[0], array.shape[1]), conventional(grid.size, frame), frame)
    return np.asarray(rows @ array @ columns.T, dtype=np.float32)


def interpolation(
    grid: Grid, shape: tuple[int, int], target: Grid, target_shape: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """Return matrices (H, h) and (W, w) that resample a map from ``grid`` to ``target``: ``rows @ map @ columns.T``.

    Bilinear, and constant beyond the outermost cells. Both grids refer to the same input.

    >>> rows, _ = interpolation(Grid((4, 4), (2, 2), (0, 0)), (2, 2), Grid((4, 4), (1, 1), (0, 0)), (4, 4))
    >>> rows[:, 1].tolist()
    [0.0, 0.5, 1.0, 1.0]
    """
    axes = zip(shape, target.centres(target_shape, grid.size), grid.offset, grid.stride, strict=True)
    points = ((n, (centres - 0.5 - offset) / stride) for n, centres, offset, stride in axes)
    rows, columns = (interpolation_weights(np.arange(float(n)), positions) for n, positions in points)
    return rows, columns


def interpolation_weights(knots: FloatArray, points: FloatArray) -> FloatArray:
    """Return the (m,n) weights of linear interpolation from n ascending knots to m points, constant beyond the knots.

    >>> interpolation_weights(np.array([0.0, 4.0]), np.array([1.0, 9.0])).tolist()
    [[0.75, 0.25], [0.0, 1.0]]
    """
    low = np.clip(np.searchsorted(knots, points, side="right") - 1, 0, max(len(knots) - 2, 0))
    weights = np.zeros((len(points), len(knots)))
    if len(knots) == 1:
        return weights + 1
    share = np.clip((points - knots[low]) / (knots[low + 1] - knots[low]), 0, 1)
    weights[np.arange(len(points)), low] = 1 - share
    weights[np.arange(len(points)), low + 1] = share
    return weights


def scale_boxes(boxes: ArrayLike, source: tuple[int, int], target: tuple[int, int]) -> FloatArray:
    """Convert (M,4) boxes from the frame ``source`` (H, W) to ``target`` (H, W) without rounding.

    >>> scale_boxes([[0, 0, 1024, 512]], (1024, 1024), (320, 320)).tolist()
    [[0.0, 0.0, 320.0, 160.0]]
    """
    y, x = target[0] / source[0], target[1] / source[1]
    return as_boxes(boxes) * np.array([x, y, x, y])


def resize_image(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize an (H, W) uint8 image: area averaging when it shrinks, bilinear when it grows (no crop, no pad).

    Raises ``BadValueError`` for pixels of another shape or type.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 2 or not image.size:
        given = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise BadValueError(f"the pixels of an image are {given}: give an (H, W) uint8 array, 0 black to 255 white")
    if image.shape == tuple(size):
        return image
    shrinks = image.shape[0] >= size[0] and image.shape[1] >= size[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size[1], size[0]), interpolation=method), dtype=np.uint8)


def square_pixels(images: Sequence[NDArray[np.uint8]], side: int) -> NDArray[np.uint8]:
    """Resize N (H, W) uint8 images of any size to (N, side, side) uint8 with ``resize_image``."""
    return np.stack([resize_image(image, (side, side)) for image in images])


def box_coverage(boxes: ArrayLike, source: tuple[int, int], shape: tuple[int, int]) -> FloatArray:
    """Return the share of each of (h, w) cells that a box covers, in [0,1]; with several boxes, the largest share.

    Boxes are (M,4) in the frame ``source`` (H, W).

    >>> box_coverage([[0, 0, 3, 2]], (4, 4), (2, 2)).tolist()
    [[1.0, 0.5], [0.0, 0.0]]
    """
    out = np.zeros(shape)
    for box in scale_boxes(boxes, source, shape):
        rows, columns = side_coverage(box, shape)
        out = np.maximum(out, rows[:, None] * columns[None])
    return out


def side_coverage(box: FloatArray, shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Return the share of each of h rows and of w columns that a box (4,) covers; (h, w) is the frame of the box.

    >>> side_coverage(np.array([0, 0, 1.5, 1]), (2, 2))
    (array([1., 0.]), array([1. , 0.5]))
    """
    rows, columns = np.arange(shape[0]), np.arange(shape[1])
    x0, y0, x1, y1 = box
    return (
        np.clip(np.minimum(y1, rows + 1) - np.maximum(y0, rows), 0, 1),
        np.clip(np.minimum(x1, columns + 1) - np.maximum(x0, columns), 0, 1),
    )
