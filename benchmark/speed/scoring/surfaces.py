"""A small map scored at many thresholds in the image's frame: on its surface, and on pixels as people do it.

Every contender is given the map (h,w) and says for each threshold the best IoU of a component's box with the truth.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.speed.scoring.maps import Map, scaled
from benchmark.speed.scoring.record import CONTOURS, SCIPY, SKIMAGE, SURFACE
from benchmark.surface import all_boxes, surface
from core.boxes import iou
from core.errors import LocusError
from core.types import FloatArray

SIDE = 1024
TRUTH = (300, 350, 650, 700)
"""A truth box, xyxy in the frame."""
TOLERANCE = 0.01
"""Mean |ΔIoU| up to which two contenders count as doing the same."""

Score = Callable[[Map, FloatArray], FloatArray]


def on_surface(values: Map, thresholds: FloatArray) -> FloatArray:
    """Ours."""
    boxes, index = all_boxes(surface(values, (SIDE, SIDE), "conventional"), thresholds)
    best = np.zeros(len(thresholds))
    np.maximum.at(best, index, iou(boxes, TRUTH)[:, 0])
    return best


def by_contours(values: Map, thresholds: FloatArray) -> FloatArray:
    """Resize the map, binarise it at each threshold, find the outer contours, take their boxes."""
    picture = _picture(values)
    best = np.zeros(len(thresholds))
    for n, threshold in enumerate(thresholds):
        found, _ = cv2.findContours((picture > threshold).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        for contour in found:
            x, y, w, h = cv2.boundingRect(contour)
            best[n] = max(best[n], overlap(x, y, x + w, y + h))
    return best


def by_skimage(values: Map, thresholds: FloatArray) -> FloatArray:
    """The same with ``label`` and ``regionprops`` of scikit-image."""
    from skimage.measure import label, regionprops

    picture = _picture(values)
    best = np.zeros(len(thresholds))
    for n, threshold in enumerate(thresholds):
        for region in regionprops(label(picture > threshold)):  # type: ignore[no-untyped-call]
            y0, x0, y1, x1 = region.bbox
            best[n] = max(best[n], overlap(x0, y0, x1, y1))
    return best


def by_scipy(values: Map, thresholds: FloatArray) -> FloatArray:
    """The same with ``label`` and ``find_objects`` of SciPy."""
    from scipy.ndimage import find_objects, label

    picture = _picture(values)
    best = np.zeros(len(thresholds))
    for n, threshold in enumerate(thresholds):
        for rows, columns in find_objects(label(picture > threshold, np.ones((3, 3)))[0]):
            best[n] = max(best[n], overlap(columns.start, rows.start, columns.stop, rows.stop))
    return best


def overlap(x0: float, y0: float, x1: float, y1: float) -> float:
    """IoU with the truth in plain Python, the fastest for one box."""
    a, b, c, d = TRUTH
    inside = max(0, min(x1, c) - max(x0, a)) * max(0, min(y1, d) - max(y0, b))
    return inside / ((x1 - x0) * (y1 - y0) + (c - a) * (d - b) - inside)


def _picture(values: Map) -> NDArray[np.float32]:
    return scaled(cv2.resize(values, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR))


CONTENDERS: dict[str, Score] = {SURFACE: on_surface, CONTOURS: by_contours, SKIMAGE: by_skimage, SCIPY: by_scipy}


def check(values: Map) -> None:
    """Raise ``LocusError`` where a peer's IoUs are not ours up to a pixel: the times of different things say nothing."""
    levels = np.linspace(0.1, 0.9, 17)
    ours = on_surface(values, levels)
    for name, score in CONTENDERS.items():
        difference = float(np.abs(score(values, levels) - ours).mean())
        if not difference <= TOLERANCE:
            raise LocusError(
                f"{name} differs from the surface by a mean IoU of {difference:.2g} (at most {TOLERANCE} is pixels): not timed"
            )
