"""Contenders that score a small map at many thresholds in the frame of the image: on its surface or on pixels.

A contender is a function of a map (h,w) and thresholds that returns, for each threshold, the best IoU of a component's
box with the truth.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.scoring.surface import surface
from benchmark.scoring.surface.bilinear import components
from core.boxes import iou
from core.errors import LocusError
from core.types import FloatArray
from tools.speed import names
from tools.speed.scoring.maps import Map, scaled

SIDE = 1024
TRUTH = (300, 350, 650, 700)
"""Truth box, xyxy in the frame."""
TOLERANCE = 0.01
"""Maximum mean |ΔIoU| of two contenders."""

Box = tuple[float, float, float, float]
Score = Callable[[Map, FloatArray], FloatArray]


def on_surface(values: Map, thresholds: FloatArray) -> FloatArray:
    """Return the IoUs by Locus."""
    boxes, index, _ = components(surface(values, (SIDE, SIDE), "conventional"), thresholds)
    best = np.zeros(len(thresholds))
    np.maximum.at(best, index, iou(boxes, TRUTH)[:, 0])
    return best


def on_pixels(values: Map, thresholds: FloatArray, boxes: Callable[[NDArray[np.bool_]], Iterable[Box]]) -> FloatArray:
    """Resize the map, binarise it at each threshold, and take the ``boxes`` of the white regions."""
    picture = scaled(cv2.resize(values, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR))
    best = np.zeros(len(thresholds))
    for n, threshold in enumerate(thresholds):
        for box in boxes(picture > threshold):
            best[n] = max(best[n], overlap(*box))
    return best


def by_contours(binary: NDArray[np.bool_]) -> Iterator[Box]:
    """Yield the boxes of the outer contours with OpenCV."""
    for contour in cv2.findContours(binary.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]:
        x, y, w, h = cv2.boundingRect(contour)
        yield x, y, x + w, y + h


def by_skimage(binary: NDArray[np.bool_]) -> Iterator[Box]:
    """Yield the boxes of the components with ``label`` and ``regionprops`` of scikit-image."""
    from skimage.measure import label, regionprops

    for region in regionprops(label(binary)):  # type: ignore[no-untyped-call]
        y0, x0, y1, x1 = region.bbox
        yield x0, y0, x1, y1


def by_scipy(binary: NDArray[np.bool_]) -> Iterator[Box]:
    """Yield the boxes of the components with ``label`` and ``find_objects`` of SciPy."""
    from scipy.ndimage import find_objects, label

    for rows, columns in find_objects(label(binary, np.ones((3, 3)))[0]):
        yield columns.start, rows.start, columns.stop, rows.stop


def overlap(x0: float, y0: float, x1: float, y1: float) -> float:
    """Return the IoU of a box with the truth, in plain Python, which is fastest for one box."""
    a, b, c, d = TRUTH
    inside = max(0, min(x1, c) - max(x0, a)) * max(0, min(y1, d) - max(y0, b))
    return inside / ((x1 - x0) * (y1 - y0) + (c - a) * (d - b) - inside)


CONTENDERS: Mapping[str, Score] = {
    names.SURFACE: on_surface,
    names.CONTOURS: partial(on_pixels, boxes=by_contours),
    names.SKIMAGE: partial(on_pixels, boxes=by_skimage),
    names.SCIPY: partial(on_pixels, boxes=by_scipy),
}


def check(values: Map, contenders: Mapping[str, Score] = CONTENDERS) -> None:
    """Raise ``LocusError`` if the IoUs of a contender differ from those of Locus by more than pixel rounding."""
    levels = np.linspace(0.1, 0.9, 17)
    ours = on_surface(values, levels)
    for name, score in contenders.items():
        difference = float(np.abs(score(values, levels) - ours).mean())
        if not difference <= TOLERANCE:
            gap = f"a mean IoU of {difference:.2g} (the limit for pixel rounding is {TOLERANCE})"
            raise LocusError(f"{name} differs from Locus by {gap}: not timed")
