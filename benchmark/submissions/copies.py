"""Whether two entries show the same: maps up to brightness, contrast and resolution, boxes up to a pixel or so."""

from collections.abc import Mapping
from dataclasses import replace

import cv2
import numpy as np

from benchmark.external import baselines
from benchmark.external.entry import ExternalEntry
from core.boxes import iou
from core.names import LIMIT
from core.types import FloatArray

SAME = 0.99
"""Two cases show the same from this correlation of maps, or IoU of boxes, on."""
SHARE = 0.5
"""Of the cases that both entries have, from which on one is a copy."""
SIDE = 16
"""Parts of a map's side, whose means are compared."""
MEANS = (
    f"in at least {SHARE:.0%} of the cases: maps whose {SIDE}×{SIDE} means correlate by {SAME} or more, boxes that "
    f"overlap by as much"
)
Excerpt = Mapping[tuple[str, str], FloatArray]
"""(image, finding) of a case with truth -> its map in brief (SIDE*SIDE,), or its most confident box (1,4)."""


def excerpt(entry: ExternalEntry) -> Excerpt:
    """What an entry shows of the cases with truth.

    Of boxes the most confident one of each case, of maps a small picture: enough to tell copies.
    """
    pairs = [(sample.image_id, finding) for sample in entry.samples for finding in sample.boxes]
    if entry.boxes is not None:
        given = {pair: entry.boxes[pair] for pair in pairs if pair in entry.boxes}
        return {pair: rows[rows[:, 4].argmax(), None, :4] for pair, rows in given.items()}
    return {pair: _brief(np.asarray(entry.values[pair])) for pair in pairs if pair in entry.values}


def truth(entry: ExternalEntry) -> Excerpt:
    """What an entry would show that had copied the truth: its boxes, or the truth on the grid of its maps.

    ``is_copy`` of it tells maps that were drawn from the answers.
    """
    if entry.boxes is not None:
        return {(s.image_id, finding): boxes for s in entry.samples for finding, boxes in s.boxes.items()}
    drawn: dict[tuple[str, str], FloatArray] = {}
    for sample in entry.samples:
        for finding in sample.boxes:
            values = entry.values.get((sample.image_id, finding))
            if values is not None:
                shape = (values.shape[0], values.shape[1])
                alone = replace(sample, boxes={finding: sample.boxes[finding]})
                maps, _ = baselines.maps(LIMIT, [alone], [finding], entry.geometry.on(shape), shape)
                drawn[sample.image_id, finding] = _brief(maps[0, 0])
    return drawn


def is_copy(one: Excerpt, entry: ExternalEntry) -> bool:
    """Whether ``entry`` shows the same as ``one`` in so many of the cases that both have.

    In the share ``SHARE`` of them; False where they have none in common.
    """
    other = excerpt(entry)
    same = [_is_same(one[pair], other[pair], entry.boxes is not None) for pair in other if pair in one]
    return bool(same) and float(np.mean(same)) >= SHARE


def _brief(values: np.ndarray) -> FloatArray:
    """(h,w) -> (SIDE*SIDE,) means of its parts, about their mean and of length 1; 0 for a constant map."""
    small = cv2.resize(values.astype(np.float64), (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel()
    small -= small.mean()
    return np.asarray(small / max(float(np.linalg.norm(small)), 1e-12))


def _is_same(one: FloatArray, other: FloatArray, boxes: bool) -> bool:
    if one.ndim != other.ndim:
        return False  # maps beside boxes
    return bool((iou(other, one) if boxes else one @ other).max() >= SAME)
