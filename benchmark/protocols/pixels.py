"""A case as Choe et al. see it: map and truth at 224×224 pixels, for the protocols that are defined there."""

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.protocols.base import FLAT, Case, usable
from benchmark.surface import min_max
from core.boxes import as_boxes
from core.frames import resample, resolve

SIDE = 224


def painted(case: Case) -> tuple[NDArray[np.float32] | None, str]:
    """(224,224) map in [0,1], min-max scaled after its one interpolation, and ""; a flat one is 0 and named; None where it failed."""
    values, reason = usable(case)
    if values is None:
        return None, reason
    grid = resolve(case.grid, (values.shape[0], values.shape[1]), case.frame)
    picture = resample(min_max(values), grid, (SIDE, SIDE))  # scaled before, too: so that float32 rounds any map alike
    picture -= picture.min()
    return (picture / picture.max(), "") if picture.any() else (picture, FLAT)


def truncated(boxes: ArrayLike, frame: tuple[int, int]) -> NDArray[np.int64]:
    """(M,4) house boxes in ``frame`` -> (M,4) the source's: inclusive corners, scaled to 224×224 and truncated.

    >>> truncated([[0, 512, 514, 1024]], (1024, 1024)).tolist()
    [[0, 112, 112, 223]]
    """
    height, width = frame
    corners = np.maximum(as_boxes(boxes) - [0, 0, 1, 1], 0)
    corners[:, 2:] = np.maximum(corners[:, 2:], corners[:, :2])  # a box below one pixel lies in one
    return np.asarray(corners * SIDE / [width, height, width, height], dtype=np.int64)


def truth_mask(case: Case) -> NDArray[np.bool_]:
    """(224,224) the truth's mask by nearest neighbour, or where there is none the pixels of its boxes, corners included."""
    if (mask := case.mask) is not None:
        return cv2.resize(mask.astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST) > 0
    out = np.zeros((SIDE, SIDE), dtype=bool)
    for x0, y0, x1, y1 in truncated(case.boxes, case.frame):
        out[y0 : y1 + 1, x0 : x1 + 1] = True
    return out
