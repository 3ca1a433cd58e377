"""Contenders for MaxBoxAcc's curve of a map of pixels: Locus, the original evaluator's algorithm, a search per level.

A contender is a function of a map (H,W) and the step between thresholds that returns the best IoU at each threshold.
The original algorithm is implemented from its rules: for each threshold, binarise, find all contours, and take the box
of the largest one or all boxes; then compute the IoUs threshold by threshold.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

import cv2
import numpy as np
from cv2.typing import MatLike

from benchmark.scoring.pixels.contours import PIXEL, levels, quantised, score_thresholds
from benchmark.scoring.protocols.maxbox import sweep
from core.boxes import iou
from core.errors import LocusError
from core.types import FloatArray
from tools.speed import names
from tools.speed.scoring.maps import Map

Which = Literal["largest", "all"]
Corners = list[tuple[int, int, int, int]]
Score = Callable[[Map, float], FloatArray]


def truth(side: int) -> FloatArray:
    """Return a (1,4) truth box in a map of side ``side``."""
    return np.round(np.array([[0.25, 0.3, 0.65, 0.7]]) * side)


def ours(values: Map, step: float, which: Which) -> FloatArray:
    """Return the IoUs by the function of the protocol."""
    return sweep(values, truth(len(values)), step, which)


def original(values: Map, step: float, which: Which) -> FloatArray:
    """Search contours at each threshold, even if two thresholds have the same integer level."""
    image, searched = quantised(values), []
    for threshold in score_thresholds(step):
        _, binary = cv2.threshold(image, int(threshold * np.max(image)), 255, cv2.THRESH_BINARY)
        searched.append(np.array(_boxes(binary, which)))
    overlap, out, first = iou(np.concatenate(searched) + PIXEL, truth(len(values))), [], 0
    for boxes in searched:
        out.append(max(overlap.max(1)[first : first + len(boxes)]))
        first += len(boxes)
    return np.array(out)


def per_level(values: Map, step: float, which: Which) -> FloatArray:
    """Search contours once per distinct integer level of the thresholds, the fastest loop."""
    image = quantised(values)
    distinct, inverse = np.unique(levels(image, step), return_inverse=True)
    searched = [_boxes((image > level).view(np.uint8), which) for level in distinct]
    overlap = iou(np.concatenate([np.array(boxes) for boxes in searched]) + PIXEL, truth(len(values)))[:, 0]
    first = np.cumsum([0, *map(len, searched[:-1])])
    return np.asarray(np.maximum.reduceat(overlap, first)[inverse])


def _boxes(binary: MatLike, which: Which) -> Corners:
    """Return boxes as inclusive corners, by the rules of the original evaluator."""
    contours, _ = cv2.findContours(binary, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    height, width = binary.shape
    selected = [max(contours, key=cv2.contourArea)] if contours and which == "largest" else contours
    rectangles = [cv2.boundingRect(contour) for contour in selected]
    return [(x, y, min(x + w, width - 1), min(y + h, height - 1)) for x, y, w, h in rectangles] or [(0, 0, 0, 0)]


CONTENDERS: Mapping[str, Score] = {
    names.LARGEST: partial(ours, which="largest"),
    names.ALL: partial(ours, which="all"),
    names.ORIGINAL_LARGEST: partial(original, which="largest"),
    names.ORIGINAL_ALL: partial(original, which="all"),
    names.LEVELS_LARGEST: partial(per_level, which="largest"),
    names.LEVELS_ALL: partial(per_level, which="all"),
}


def check(values: Map, step: float, contenders: Mapping[str, Score] = CONTENDERS) -> None:
    """Raise ``LocusError`` if the IoUs of a contender do not equal those of Locus exactly."""
    for peer, reference in names.PIXELS.items():
        if not np.array_equal(contenders[peer](values, step), contenders[reference](values, step)):
            raise LocusError(f"the IoUs of {peer} and {reference} differ for the same map: not timed")
