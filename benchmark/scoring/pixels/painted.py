"""Heat map and truth on pixels: on 224×224 pixels as in Choe et al. 2020, and as masks on the frame's pixels."""

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
    """Interpolate a map (h,w) to (224,224), then min-max scale it to [0,1]; a constant map gives 0 everywhere."""
    once = min_max(values)  # also scaled before, so that float32 rounds all maps in the same way
    return min_max_float32(resample(once, resolve(grid, (once.shape[0], once.shape[1]), frame), (SIDE, SIDE)))


def min_max_float32(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Min-max scale a picture (H,W) to [0,1] in float32, unlike ``scoring.surface.min_max``; 0 if it is constant."""
    lifted = picture - picture.min()
    return lifted / lifted.max() if lifted.any() else lifted


def to_pixel_boxes(boxes: ArrayLike, frame: tuple[int, int]) -> NDArray[np.int64]:
    """Convert half-open boxes (M,4) in ``frame`` to Choe's: inclusive corners, scaled to 224×224 and truncated.

    >>> to_pixel_boxes([[0, 512, 514, 1024]], (1024, 1024)).tolist()
    [[0, 112, 112, 223]]
    """
    height, width = frame
    corners = np.maximum(as_boxes(boxes) - [0, 0, 1, 1], 0)
    corners[:, 2:] = np.maximum(corners[:, 2:], corners[:, :2])  # a box below one pixel becomes one pixel
    return np.asarray(corners * SIDE / [width, height, width, height], dtype=np.int64)


def truth_mask(boxes: ArrayLike, frame: tuple[int, int], mask: Mask | None = None) -> Mask:
    """Return the truth as a mask (224,224): its ``mask`` (H,W) by nearest neighbour, or its boxes."""
    if mask is not None:
        return cv2.resize(mask.astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST) > 0
    out = np.zeros((SIDE, SIDE), dtype=bool)
    for x0, y0, x1, y1 in to_pixel_boxes(boxes, frame):
        out[y0 : y1 + 1, x0 : x1 + 1] = True
    return out


def segment(
    values: ArrayLike, grid: Grid | Alignment, truth: Mask, levels: FloatArray
) -> tuple[FloatArray, float, bool]:
    """Return the mask IoUs of a heat map on the frame's pixels, Otsu's threshold, and whether its maximum hits.

    Args:
        values: map (h,w), not constant. It is interpolated on the frame, then scaled to [0,1].
        grid: grid of the map.
        truth: mask (H,W) in the frame.
        levels: ascending thresholds (T,) in [0,1].

    Returns:
        IoUs (T+1,) at each threshold, then at Otsu's, nan if both masks are empty. Otsu's threshold k/255, computed
        from floor(255 · value) as in the protocol's source. True if the first maximum in row-major order is in the
        truth.
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
    """Return a mask (H,W) of the pixels whose centre is in any of the boxes (M,4) in the ``frame`` (H, W).

    >>> interior([[0, 0, 1.5, 1]], (1, 3)).tolist()
    [[True, False, False]]
    """
    mask = np.zeros(frame, dtype=bool)
    for x0, y0, x1, y1 in np.ceil(as_boxes(boxes) - 0.5).clip(0).astype(np.int64):
        mask[y0:y1, x0:x1] = True
    return mask


@njit(cache=True, nogil=True)
def _count(picture, truth, levels):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Count the pixels above each of the ascending ``levels``: (T,) inside the truth, and (T,) everywhere."""
    counts = np.zeros((levels.size + 1, 2), np.int64)  # row: levels below the pixel; column: 1 in the truth
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
