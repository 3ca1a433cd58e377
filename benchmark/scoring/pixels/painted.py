"""Heat map and truth on pixels: at 224×224, as Choe et al. 2020 score both, and as masks on those of the frame.

As masks: {map > threshold} on the frame's pixels against a truth mask, at many thresholds in one pass.
"""

import cv2
import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from benchmark.scoring.localize import to_frame
from benchmark.scoring.surface import min_max
from core.boxes import as_boxes
from core.frames import Alignment, Grid, resample, resolve
from core.types import FloatArray

SIDE = 224
Mask = NDArray[np.bool_]


def resample_map(values: ArrayLike, grid: Grid | Alignment, frame: tuple[int, int]) -> NDArray[np.float32]:
    """(h,w) map -> (224,224) in [0,1], min-max scaled after one interpolation; 0 everywhere if it is flat."""
    once = min_max(values)  # also scaled before, so that float32 rounds all maps alike
    return min_max_float32(resample(once, resolve(grid, (once.shape[0], once.shape[1]), frame), (SIDE, SIDE)))


def min_max_float32(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H,W) min-max scaled to [0,1] in its own precision, unlike ``scoring.surface.min_max``; 0 if it is flat."""
    lifted = picture - picture.min()
    return lifted / lifted.max() if lifted.any() else lifted


def to_pixel_boxes(boxes: ArrayLike, frame: tuple[int, int]) -> NDArray[np.int64]:
    """(M,4) half-open boxes in ``frame`` -> (M,4) Choe's: inclusive corners, scaled to 224×224 and truncated.

    >>> to_pixel_boxes([[0, 512, 514, 1024]], (1024, 1024)).tolist()
    [[0, 112, 112, 223]]
    """
    height, width = frame
    corners = np.maximum(as_boxes(boxes) - [0, 0, 1, 1], 0)
    corners[:, 2:] = np.maximum(corners[:, 2:], corners[:, :2])  # a box below one pixel becomes one pixel
    return np.asarray(corners * SIDE / [width, height, width, height], dtype=np.int64)


def truth_mask(boxes: ArrayLike, frame: tuple[int, int], mask: Mask | None = None) -> Mask:
    """Return the truth at (224,224): its (H,W) ``mask`` by nearest neighbour, or its boxes, corners included."""
    if mask is not None:
        return cv2.resize(mask.astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST) > 0
    out = np.zeros((SIDE, SIDE), dtype=bool)
    for x0, y0, x1, y1 in to_pixel_boxes(boxes, frame):
        out[y0 : y1 + 1, x0 : x1 + 1] = True
    return out


def segment(
    values: ArrayLike, grid: Grid | Alignment, truth: Mask, levels: FloatArray
) -> tuple[FloatArray, float, bool]:
    """(h,w) map, (H,W) truth in the frame, (T,) ascending thresholds in [0,1] -> mask IoUs on the frame's pixels.

    (T+1,) at each threshold, then at Otsu's, nan if neither mask has a pixel; Otsu's threshold of the map, k/255;
    whether the first maximum in row-major order is inside the truth. The map must not be flat. It is interpolated on
    the frame, then scaled to [0,1] there. Otsu's rule uses floor(255 · value), as in the source of its protocol.
    """
    height, width = truth.shape
    picture = min_max_float32(to_frame(min_max(values), (height, width), grid))
    otsu, above = cv2.threshold((255 * picture).astype(np.uint8), 0, 1, cv2.THRESH_OTSU)
    inside, predicted = _count(picture, truth, levels)
    drawn = above.view(np.bool_)
    inside = np.append(inside, np.count_nonzero(drawn & truth))
    predicted = np.append(predicted, np.count_nonzero(drawn))
    either = predicted + np.count_nonzero(truth) - inside
    iou = np.divide(inside, either, out=np.full(len(inside), np.nan), where=either > 0)
    return iou, otsu / 255, bool(truth.flat[picture.argmax()])


def interior(boxes: ArrayLike, frame: tuple[int, int]) -> Mask:
    """(M,4) boxes in the ``frame`` (H, W) -> (H,W) pixels with their centre in any of them.

    >>> interior([[0, 0, 1.5, 1]], (1, 3)).tolist()
    [[True, False, False]]
    """
    mask = np.zeros(frame, dtype=bool)
    for x0, y0, x1, y1 in np.ceil(as_boxes(boxes) - 0.5).clip(0).astype(np.int64):
        mask[y0:y1, x0:x1] = True
    return mask


@njit(cache=True, nogil=True)
def _count(picture, truth, levels):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """(T,) pixels inside the truth above each of the ascending levels, and (T,) all pixels above it."""
    counts = np.zeros((levels.size + 1, 2), np.int64)  # by number of levels below the pixel; outside, inside the truth
    for i in range(picture.shape[0]):
        for j in range(picture.shape[1]):
            below = 0
            for level in levels:  # all of them: a branch costs more
                below += picture[i, j] > level
            counts[below, np.int64(truth[i, j])] += 1
    inside, predicted = np.zeros(levels.size), np.zeros(levels.size)
    for n in range(levels.size):
        inside[n], predicted[n] = counts[n + 1 :, 1].sum(), counts[n + 1 :].sum()
    return inside, predicted
