"""One case made ready for a picture: a map with its boxes in the frame of the truth."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.localize import boxes, to_frame
from benchmark.surface import min_max
from config import HeatmapConfig
from core.boxes import iou
from core.frames import Alignment, Grid, resize_image
from core.types import FloatArray, Sample

OPAQUE = 0.7


@dataclass(frozen=True, eq=False)
class RawMap:
    """What a method says about one finding of one image."""

    method: str
    values: NDArray[np.float32]
    """(h, w) the map, neither resized nor scaled."""
    grid: Grid
    probability: float


@dataclass(frozen=True, eq=False)
class CasePicture:
    """What one figure shows; image, heat map and boxes share the frame (H, W)."""

    image: NDArray[np.uint8]
    """(H, W) gray pixels."""
    heat: NDArray[np.float32]
    """(H, W) heat map, min-max scaled over its positions to [0,1]; all 0 for a flat map."""
    truth: FloatArray | None
    """(M,4) truth boxes, (0,4) when the finding has none here, None when nobody looked."""
    predicted: FloatArray
    """(M,4) boxes above the threshold; the first is the one that is scored."""
    finding: str
    method: str
    probability: float
    iou: float | None
    """Of the first predicted box with the best truth box; None without truth."""
    threshold: float
    image_id: str
    origin: str = "fixed"
    """Where the threshold comes from."""
    flat: bool = False
    """Whether the map has the same value everywhere."""

    @property
    def caption(self) -> str:
        """Finding, method, probability, IoU and threshold in one line."""
        overlap = "no truth box" if self.iou is None else f"IoU {self.iou:.2f}"
        at = "flat map: no box" if self.flat else f"threshold {self.threshold:.3g} ({self.origin})"
        return f"{self.finding} · {self.method} · p = {self.probability:.2f} · {overlap} · {at}"


@dataclass(frozen=True, eq=False)
class PreparedCase:
    """A case ready to be drawn and written."""

    picture: CasePicture
    row: dict[str, Any]
    """Its line in ``boxes.json``."""
    raw: NDArray[np.float32]
    """(h, w) the method's map, neither resized nor scaled."""


def prepare_case(
    config: HeatmapConfig,
    sample: Sample,
    pixels: NDArray[np.uint8],
    finding: str,
    raw_map: RawMap,
    threshold: tuple[float, str],
) -> PreparedCase:
    """A map with its boxes above the ``threshold`` (value, origin) and their overlap with truth.

    Raises ``BadValueError`` for nan or inf.
    """
    frame = frame_of(sample, pixels)
    predicted = boxes(min_max(raw_map.values), threshold[0], frame, _grid(config, raw_map))
    heat = heat_in_frame(config, raw_map, frame)
    truth = sample.boxes.get(finding, np.zeros((0, 4))) if sample.boxes else None
    picture = CasePicture(
        image=resize_image(pixels, frame),
        heat=heat,
        truth=truth,
        predicted=predicted,
        finding=finding,
        method=raw_map.method,
        probability=raw_map.probability,
        iou=_overlap(predicted, truth),
        threshold=threshold[0],
        origin=threshold[1],
        flat=not heat.any(),
        image_id=sample.image_id,
    )
    return PreparedCase(picture, _row(picture, frame), raw_map.values)


def frame_of(sample: Sample, pixels: NDArray[np.uint8]) -> tuple[int, int]:
    """(H, W) in which a sample's boxes lie: the image's own pixels where the data set does not say."""
    return sample.frame if sample.frame != (0, 0) else (pixels.shape[0], pixels.shape[1])


def heat_in_frame(config: HeatmapConfig, raw_map: RawMap, frame: tuple[int, int]) -> NDArray[np.float32]:
    """(H, W) heat, min-max scaled over the map's positions to [0,1]; all 0 for a flat map.

    Raises ``BadValueError`` for nan or inf.
    """
    return to_frame(min_max(raw_map.values), frame, _grid(config, raw_map))


def _grid(config: HeatmapConfig, raw_map: RawMap) -> Grid | Alignment:
    return raw_map.grid if config.alignment == "aligned" else "conventional"


def _overlap(predicted: FloatArray, truth: FloatArray | None) -> float | None:
    """IoU of the first box, which holds the map's maximum, with the best truth box; None without truth."""
    if truth is None or not len(truth):
        return None
    return float(iou(predicted[:1], truth).max()) if len(predicted) else 0.0


def _row(picture: CasePicture, frame: tuple[int, int]) -> dict[str, Any]:
    return {
        "image": picture.image_id,
        "finding": picture.finding,
        "method": picture.method,
        "probability": picture.probability,
        "threshold": picture.threshold,
        "threshold_origin": picture.origin,
        "frame": list(frame),
        "boxes": picture.predicted.tolist(),
        "truth": None if picture.truth is None else picture.truth.tolist(),
        "iou": picture.iou,
    }


def opacity(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much of the heat map's colour a pixel takes: ``OPAQUE`` at the peak, and by the square of its heat."""
    return np.asarray(OPAQUE * np.clip(heat, 0, 1) ** 2, dtype=np.float32)
