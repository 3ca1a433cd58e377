"""Maps at 224×224 pixels and their boxes at each of 100 score thresholds, as Choe et al. 2020 count them."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.pixels import contours as source
from benchmark.pixels.painted import SIDE, resample_map, to_pixel_boxes
from benchmark.protocols.base import FLAT, Case, usable
from benchmark.thresholds.origins import SampledThresholds
from core.boxes import iou
from core.frames import scale_boxes
from core.types import FloatArray

STEP = 0.01
LEVELS = source.score_thresholds(STEP)
DEFAULT = len(LEVELS) // 2
"""The index of .5."""


def picture(case: Case) -> tuple[NDArray[np.float32] | None, str]:
    """(224,224) map in [0,1] and ""; a flat one is 0 everywhere and named; None and the reason where it failed."""
    values, reason = usable(case)
    if values is None:
        return None, reason
    image = resample_map(values, case.grid, case.frame)
    return image, "" if image.any() else FLAT


class SweptCases:
    """N cases at each of the T score thresholds; without box and overlap where the map failed."""

    def __init__(self, cases: Sequence[Case]) -> None:
        each = [_curves(case) for case in cases]
        boxes, largest, best, otsu, reasons = zip(*each, strict=True) if each else ((),) * 5
        self.reasons: Sequence[str] = reasons
        shape = len(cases), len(LEVELS)
        self.boxes = np.array(boxes).reshape(*shape, 4)
        """(N,T,4) of the largest contour, in the case's frame."""
        self.overlap = {"largest": np.array(largest).reshape(shape), "best": np.array(best).reshape(shape)}
        """(N,T) the best IoU with a truth box of the largest contour's box, and of any contour's."""
        self.otsu = np.array(otsu, dtype=np.float64)
        """(N,) the index of each map's own threshold."""

    def selector(self, kind: str, delta: float) -> SampledThresholds:
        """What a threshold is chosen by: hits at IoU >= ``delta``."""
        return SampledThresholds(self.overlap[kind] >= delta, self.overlap[kind])


def _curves(case: Case) -> tuple[FloatArray, FloatArray, FloatArray, int, str]:
    """(T,4) boxes, their (T,) overlaps, those of the best contours, the index of Otsu's threshold, why all miss."""
    values, reason = picture(case)
    if values is None:
        return np.full((len(LEVELS), 4), np.nan), np.zeros(len(LEVELS)), np.zeros(len(LEVELS)), DEFAULT, reason
    contours, truth = source.Contours(values, STEP), to_pixel_boxes(case.boxes, case.frame) + source.PIXEL
    boxes = contours.largest()
    largest, best = iou(boxes, truth).max(1), contours.best_overlap(truth)
    return scale_boxes(boxes, (SIDE, SIDE), case.frame), largest, best, _otsu(values), reason


def _otsu(values: NDArray[np.float32]) -> int:
    """Index of the score threshold whose level is nearest to the map's own by Otsu's rule, the lowest of equals."""
    image = source.quantised(values)
    threshold, _ = cv2.threshold(image, 0, 255, cv2.THRESH_OTSU)
    return int(np.abs(source.levels(image, STEP) - threshold).argmin())
