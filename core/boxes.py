"""Areas and overlaps of boxes. Boxes are (M,4) float64 arrays of xyxy edges, half-open, in one frame."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.types import FloatArray


def as_boxes(boxes: ArrayLike) -> FloatArray:
    """Convert boxes to (M,4) float64. An empty list becomes (0,4), a single box (1,4).

    >>> as_boxes([]).shape
    (0, 4)
    """
    return np.asarray(boxes, dtype=np.float64).reshape(-1, 4)


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


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
