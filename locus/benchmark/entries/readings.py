"""Warn if maps or boxes fit the truth better when they are read in another way: swapped axes, another scale.

A *reading* is one way to understand the numbers of a file: as given, transposed, inverted, and so on.

``heat_shares``, ``log_other_maps``  maps: their heat in the truth boxes
``log_other_boxes``                  boxes: their overlap with the truth
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from pathlib import Path

import numpy as np

from locus.arrays import Pair
from locus.benchmark.entries.files import Map, MapSource
from locus.benchmark.entries.geometry import SQUARES
from locus.core.frames import box_coverage, iou, scale_boxes
from locus.core.types import FloatArray, Sample

log = logging.getLogger(__name__)
PUBLISHED_FRAME = "pixels of the image as published, not of a resized copy"
"""The frame that boxes must have, in words."""
READINGS = {
    "transposed maps": "if your maps are (w, h), save map.T instead",
    "inverted maps": "if low values mark the finding, save 1 - map instead",
    "maps read as (h, w, K)": "if findings are the last axis, save map.transpose(2, 0, 1) instead",
    "maps of the image padded to a square": "if images were padded, use --alignment padded",
    "maps of the central square of the image": "if images were cropped, use --alignment cropped",
}
"""Other readings of maps -> what to do if they are the right ones."""
MIN_STANDARD_ERRORS = 3.0
"""Another reading fits better if its mean gain is at least so many standard errors, and ``MIN_RATIO`` is reached."""
MIN_RATIO = 1.2
"""Smallest ratio of its mean to that of the reading as given."""


def fits_better(as_given: FloatArray, changed: FloatArray, ratio: float = MIN_RATIO) -> bool:
    """Return True if another reading fits the truth much better than the one ``as_given``.

    ``as_given`` and ``changed`` (N,) say how well each of N cases fits; nan is ignored.

    >>> fits_better(np.array([0.1, 0.2, 0.0]), np.array([0.8, 0.9, 0.8])), fits_better(np.ones(3), np.ones(3))
    (True, False)
    """
    gain = changed - as_given
    gain = gain[np.isfinite(gain)]
    if len(gain) < 2 or np.nanmean(changed) <= ratio * np.nanmean(as_given):
        return False
    return bool(gain.mean() > MIN_STANDARD_ERRORS * gain.std(ddof=1) / np.sqrt(len(gain)))


def heat_shares(
    values: Map, source: MapSource, boxes: FloatArray, frame: tuple[int, int]
) -> list[float]:
    """Return the share of the heat in the truth boxes, for the map as given and for other readings of its file.

    Args:
        values: the map (h,w).
        source: the file of the map, which may be read in other ways.
        boxes: (M,4) truth boxes xyxy in the ``frame``.
        frame: height and width (H, W) of the image in pixels.

    Returns:
        The share in [0,1] of the map as given, then of each of ``READINGS``; nan if a reading is impossible.
    """
    heat = Heat(values)
    shares = [
        heat.share(boxes, frame),
        heat.transposed().share(boxes, frame),
        heat.inverted_share(boxes, frame),
    ]
    if source.findings_last is None:
        shares.append(np.nan)
    else:
        findings_last = np.asarray(source.findings_last(), dtype=np.float64)
        shares.append(Heat(findings_last).share(boxes, frame))
    for square in SQUARES.values():
        shares.append(_share_of_square(heat, boxes, frame, square(frame)))
    return shares


class Heat:
    """A map whose lowest value counts as no heat."""

    def __init__(self, values: Map) -> None:
        """Set the ``values`` (h,w)."""
        self.values = values
        self.low = float(values.min())
        self.high = float(values.max())
        self.total = float(values.sum(dtype=np.float64))

    def transposed(self) -> "Heat":
        """Return the transposed map."""
        transposed_heat = copy(self)
        transposed_heat.values = self.values.T
        return transposed_heat

    def share(self, boxes: FloatArray, frame: tuple[int, int]) -> float:
        """Return the share of the heat inside the ``boxes`` (M,4) in the ``frame`` (H, W); nan for a constant map."""
        inside, area = self._inside(boxes, frame)
        total_heat = self.total - self.low * self.values.size
        return (inside - self.low * area) / total_heat if self.low < self.high else np.nan

    def inverted_share(self, boxes: FloatArray, frame: tuple[int, int]) -> float:
        """Return the same share of the inverted map, whose highest value counts as no heat."""
        inside, area = self._inside(boxes, frame)
        total_heat = self.high * self.values.size - self.total
        return (self.high * area - inside) / total_heat if self.low < self.high else np.nan

    def _inside(self, boxes: FloatArray, frame: tuple[int, int]) -> tuple[float, float]:
        """Return the sum of the values inside the boxes, and the area of the boxes in positions of the map."""
        height, width = self.values.shape
        scaled = scale_boxes(boxes, frame, (height, width))
        left, top = np.floor(scaled[:, :2].min(axis=0)).astype(np.int64).clip(min=0)
        right, bottom = np.ceil(scaled[:, 2:].max(axis=0)).astype(np.int64)
        window = self.values[top:bottom, left:right]
        if not window.size:
            return 0.0, 0.0
        shape = (window.shape[0], window.shape[1])
        coverage = box_coverage(scaled - [left, top, left, top], shape, shape)
        return float((window * coverage).sum()), float(coverage.sum())


def log_other_maps(shares: FloatArray) -> None:
    """Log a warning if another reading fits the truth better; the best one if several do.

    ``shares``: (cases, 1 + readings) shares of the heat in the boxes, as given and in the order of ``READINGS``.
    """
    as_given = shares[:, 0]
    shares_by_reading = dict(zip(READINGS, shares[:, 1:].T, strict=True))
    means = {}
    for reading, values in shares_by_reading.items():
        if np.isfinite(values).any():
            means[reading] = np.nanmean(values)
    if not means:
        return
    best_reading = max(means, key=lambda reading: means[reading])
    has_more_inside = fits_better(as_given, shares_by_reading[best_reading])
    has_half_as_much_outside = fits_better(
        1 - shares_by_reading[best_reading], 1 - as_given, ratio=2.0
    )
    if has_more_inside or has_half_as_much_outside:
        text = "%s fit the truth better (%.3f instead of %.3f of their heat is in the boxes); %s"
        log.warning(
            text,
            best_reading,
            means[best_reading],
            np.nanmean(as_given),
            READINGS[best_reading],
        )


def _share_of_square(heat: Heat, boxes: FloatArray, frame: tuple[int, int], side: int) -> float:
    """Return the share of the heat in the boxes if a map shows a square of ``side`` in the middle of the image.

    It is nan if the image is square, the map is not square, or no box overlaps the square.
    """
    height, width = frame
    if height == width or heat.values.shape[0] != heat.values.shape[1]:
        return np.nan
    top = (height - side) / 2
    left = (width - side) / 2
    in_square = np.clip(boxes - [left, top, left, top], 0, side)
    sides = in_square[:, 2:] - in_square[:, :2]
    in_square = in_square[(sides > 0).all(axis=1)]
    if not len(in_square):
        return np.nan
    return heat.share(in_square, (side, side))


def log_other_boxes(
    boxes: Mapping[Pair, FloatArray], samples: Sequence[Sample], file: Path
) -> None:
    """Log a warning if boxes with swapped axes, or multiplied by one factor, fit the truth at least twice as well."""
    pairs = []  # truth boxes (M,4) of a case, and the most confident box (1,4)
    for sample in samples:
        for finding, truth in sample.boxes.items():
            case_boxes = boxes.get((sample.image_id, finding))
            if case_boxes is not None:
                most_confident = case_boxes[:, 4].argmax()
                pairs.append((truth, case_boxes[most_confident, :4][None]))
    if not pairs:
        return

    def best_ious(change: Callable[[FloatArray], FloatArray]) -> FloatArray:
        return np.array([np.nanmax(iou(change(box), truth)) for truth, box in pairs])

    as_given = best_ious(lambda box: box)
    factors = [np.median(truth[0] / np.maximum(box[0], 1)) for truth, box in pairs]
    factor = float(np.median(factors))
    readings = {
        "with x and y swapped": lambda box: box[:, [1, 0, 3, 2]],
        f"multiplied by {factor:.3g}": lambda box: box * factor,
    }
    for reading, change in readings.items():
        changed = best_ious(change)
        if fits_better(as_given, changed, ratio=2.0):
            means = f"mean IoU {changed.mean():.3f} instead of {as_given.mean():.3f}"
            text = "%s: boxes %s fit the truth better (%s): give %s"
            log.warning(text, file, reading, means, PUBLISHED_FRAME)
