"""Content of the picture of one case: a map with its boxes in the frame of the truth.

``prepare_case`` computes a ``CasePicture``; ``blend`` colours a heat map over an image. ``panels`` draws them.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from locus.benchmark.scoring.localize import boxes, to_frame
from locus.benchmark.scoring.surface import min_max
from locus.core.frames import Alignment, Grid, iou, resize_image
from locus.core.types import FloatArray, Sample

OPAQUE = 0.7
"""Opacity of the heat map at its peak."""


@dataclass(frozen=True, eq=False)
class RawMap:
    """Map of a method for one finding of one image."""

    method: str
    values: NDArray[np.float32]
    """(h, w) map, neither resized nor scaled."""
    grid: Grid | Alignment
    """Positions of the map in the image."""
    probability: float


@dataclass(frozen=True, eq=False)
class CasePicture:
    """Content of one figure; image, heat map and boxes share the frame (H, W)."""

    image: NDArray[np.uint8]
    """(H, W) grey pixels."""
    heat: NDArray[np.float32]
    """(H, W) heat map, min-max scaled over its positions to [0,1]; all 0 for a flat map."""
    truth: FloatArray | None
    """(M,4) truth boxes; (0,4) if the image has none of the finding; None if unknown."""
    predicted: FloatArray
    """(M,4) boxes above the threshold; the first one is scored."""
    finding: str
    raw: RawMap
    iou: float | None
    """IoU of the first predicted box with the best truth box; None without truth."""
    threshold: float
    origin: str
    """Origin of the threshold."""
    image_id: str

    @property
    def flat(self) -> bool:
        """Whether the map has the same value everywhere."""
        return not self.heat.any()

    @property
    def truth_boxes(self) -> FloatArray:
        """(M,4) truth boxes; (0,4) if they are unknown."""
        return np.zeros((0, 4)) if self.truth is None else self.truth

    @property
    def caption(self) -> str:
        """Finding, method, probability, IoU and threshold in one line."""
        absent = "truth unknown" if self.truth is None else "no truth box"
        overlap = absent if self.iou is None else f"IoU {self.iou:.2f}"
        at = "flat map: no box" if self.flat else f"threshold {self.threshold:.3g} ({self.origin})"
        return f"{self.finding} · {self.raw.method} · p = {self.raw.probability:.2f} · {overlap} · {at}"

    @property
    def row(self) -> dict[str, Any]:
        """Entry in ``boxes.json``."""
        return {
            "image": self.image_id,
            "finding": self.finding,
            "method": self.raw.method,
            "probability": self.raw.probability,
            "threshold": self.threshold,
            "threshold_origin": self.origin,
            "frame": list(self.heat.shape),
            "boxes": self.predicted.tolist(),
            "truth": None if self.truth is None else self.truth.tolist(),
            "iou": self.iou,
        }


def prepare_case(
    sample: Sample, pixels: NDArray[np.uint8], finding: str, raw: RawMap, threshold: float, origin: str
) -> CasePicture:
    """Prepare a map with its boxes above ``threshold`` and their overlap with the truth.

    ``pixels`` are (H', W') grey values of the file; everything is drawn in the frame of the sample. ``threshold``
    applies to the min-max scaled map; ``origin`` says how it was chosen. Raises ``BadValueError`` for nan or inf.
    """
    frame = frame_of(sample, pixels)
    predicted = boxes(min_max(raw.values), threshold, frame, raw.grid)
    heat = heat_in_frame(raw, frame)
    truth = sample.boxes.get(finding, np.zeros((0, 4))) if sample.boxes else None
    overlap, image = _overlap(predicted, truth), resize_image(pixels, frame)
    return CasePicture(image, heat, truth, predicted, finding, raw, overlap, threshold, origin, sample.image_id)


def frame_of(sample: Sample, pixels: NDArray[np.uint8]) -> tuple[int, int]:
    """Return the (H, W) frame of a sample's boxes, by default the size of the image."""
    return sample.frame if sample.frame != (0, 0) else (pixels.shape[0], pixels.shape[1])


def heat_in_frame(raw: RawMap, frame: tuple[int, int]) -> NDArray[np.float32]:
    """Return the (H, W) heat, min-max scaled over the map's positions to [0,1]; all 0 for a flat map.

    Raises ``BadValueError`` for nan or inf.
    """
    return to_frame(min_max(raw.values), frame, raw.grid)


def _overlap(predicted: FloatArray, truth: FloatArray | None) -> float | None:
    """Return the IoU of the first box, which contains the maximum of the map, with the best truth box; or None."""
    if truth is None or not len(truth):
        return None
    return float(iou(predicted[:1], truth).max()) if len(predicted) else 0.0


def opacity(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the opacity of a heat map (H, W) in [0,1]: proportional to its square, ``OPAQUE`` at the peak.

    >>> opacity(np.array([[0.0, 0.5, 1.0]])).round(3).tolist()
    [[0.0, 0.17499999701976776, 0.699999988079071]]
    """
    return np.asarray(OPAQUE * np.clip(heat, 0, 1) ** 2, dtype=np.float32)


def blend(image: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Blend (H,W) grey pixels and a heat map in [0,1] into (H,W,3) colours of the colour map turbo.

    >>> blend(np.full((1, 2), 200, np.uint8), np.array([[0.0, 1.0]], np.float32)).tolist()
    [[[200, 200, 200], [145, 63, 62]]]
    """
    levels = np.minimum(heat * 256, 255).astype(np.uint8)
    colour, share = cv2.applyColorMap(levels, cv2.COLORMAP_TURBO)[..., ::-1], opacity(heat)[..., None]
    return np.rint((1 - share) * image[..., None] + share * colour).astype(np.uint8)
