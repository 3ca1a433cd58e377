"""Detect copies of entries, even with other brightness, contrast or resolution, or boxes moved by about a pixel."""

from collections.abc import Mapping

import cv2
import numpy as np

from benchmark.external.cases import baseline_map
from benchmark.external.entry import ExternalEntry
from core.boxes import iou
from core.names import UPPER_BOUND
from core.types import FloatArray

SAME = 0.99
"""Minimum correlation of maps, or IoU of boxes, for which two cases count as equal."""
SHARE = 0.5
"""Minimum share of equal cases, among the common ones, for which an entry counts as a copy."""
SIDE = 16
"""Maps are reduced to the means of SIDE×SIDE cells."""
MEANS = (
    f"in at least {SHARE:.0%} of the cases, maps reduced to {SIDE}×{SIDE} correlate by at least {SAME}, or boxes have "
    f"at least that IoU"
)
Excerpt = Mapping[tuple[str, str], FloatArray]
"""(image, finding) of a case with truth -> its reduced map (SIDE*SIDE,), or its most confident box (1,4)."""


def excerpt(entry: ExternalEntry) -> Excerpt:
    """Return the reduced map or the most confident box of each case with truth."""
    pairs = [(sample.image_id, finding) for sample in entry.samples for finding in sample.boxes]
    if entry.boxes is not None:
        boxes = {pair: entry.boxes[pair] for pair in pairs if pair in entry.boxes}
        return {pair: rows[rows[:, 4].argmax(), None, :4] for pair, rows in boxes.items()}
    return {pair: _brief(np.asarray(entry.values[pair])) for pair in pairs if pair in entry.values}


def truth(entry: ExternalEntry) -> Excerpt:
    """Return the excerpt of a copy of the truth: its boxes, or the truth drawn on the grid of the entry's maps."""
    if entry.boxes is not None:
        return {(s.image_id, finding): boxes for s in entry.samples for finding, boxes in s.boxes.items()}
    drawn: dict[tuple[str, str], FloatArray] = {}
    for sample in entry.samples:
        for finding in sample.boxes:
            pair = sample.image_id, finding
            if pair in entry.values:
                h, w = entry.values[pair].shape
                values = baseline_map(UPPER_BOUND, sample, finding, entry.geometry.on((h, w)), (h, w))
                drawn[pair] = _brief(values)
    return drawn


def is_copy(one: Excerpt, entry: ExternalEntry) -> bool:
    """Return True if ``entry`` is equal to ``one`` in at least ``SHARE`` of their common cases.

    False if they have no case in common.
    """
    other = excerpt(entry)
    same = [_is_same(one[pair], other[pair], entry.boxes is not None) for pair in other if pair in one]
    return bool(same) and float(np.mean(same)) >= SHARE


def _brief(values: np.ndarray) -> FloatArray:
    """Return the means (SIDE*SIDE,) of a map's cells, centred and of length 1; 0 for a constant map."""
    small = cv2.resize(values.astype(np.float64), (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel()
    small -= small.mean()
    return np.asarray(small / max(float(np.linalg.norm(small)), 1e-12))


def _is_same(one: FloatArray, other: FloatArray, boxes: bool) -> bool:
    if one.ndim != other.ndim:
        return False  # maps against boxes
    return bool((iou(other, one) if boxes else one @ other).max() >= SAME)
