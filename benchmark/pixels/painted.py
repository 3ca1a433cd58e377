"""Heat map and truth resampled to 224×224 pixels, as Choe et al. 2020 score both."""

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.surface import min_max
from core.boxes import as_boxes
from core.frames import Alignment, Grid, resample, resolve

SIDE = 224


def resample_map(values: ArrayLike, grid: Grid | Alignment, frame: tuple[int, int]) -> NDArray[np.float32]:
    """(h,w) map -> (224,224) in [0,1], min-max scaled after its one interpolation; 0 everywhere for a flat one."""
    once = min_max(values)  # scaled before, too: so that float32 rounds any map alike
    return min_max_float32(resample(once, resolve(grid, (once.shape[0], once.shape[1]), frame), (SIDE, SIDE)))


def min_max_float32(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H,W) min-max scaled to [0,1] in its own precision, unlike ``benchmark.surface.min_max``; 0 where it is flat."""
    lifted = picture - picture.min()
    return lifted / lifted.max() if lifted.any() else lifted


def to_pixel_boxes(boxes: ArrayLike, frame: tuple[int, int]) -> NDArray[np.int64]:
    """(M,4) half-open boxes in ``frame`` -> (M,4) Choe's: inclusive corners, scaled to 224×224 and truncated.

    >>> to_pixel_boxes([[0, 512, 514, 1024]], (1024, 1024)).tolist()
    [[0, 112, 112, 223]]
    """
    height, width = frame
    corners = np.maximum(as_boxes(boxes) - [0, 0, 1, 1], 0)
    corners[:, 2:] = np.maximum(corners[:, 2:], corners[:, :2])  # a box below one pixel lies in one
    return np.asarray(corners * SIDE / [width, height, width, height], dtype=np.int64)


def truth_mask(boxes: ArrayLike, frame: tuple[int, int], mask: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """(224,224) the truth's (H,W) ``mask`` by nearest neighbour, or the pixels of its boxes, corners included."""
    if mask is not None:
        return cv2.resize(mask.astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST) > 0
    out = np.zeros((SIDE, SIDE), dtype=bool)
    for x0, y0, x1, y1 in to_pixel_boxes(boxes, frame):
        out[y0 : y1 + 1, x0 : x1 + 1] = True
    return out
