"""Several readers of one image: what they agree on."""

from collections.abc import Mapping

import numpy as np

from core.boxes import as_boxes, iou
from core.types import FloatArray

ALIKE = 0.4
"""IoU at which the boxes of two readers are taken for the same place."""
Readings = Mapping[str, Mapping[str, FloatArray]]
"""Reader -> finding -> (M,4) boxes in the image's frame; a reader who marked nothing is there with no finding."""


def named(readings: Readings, finding: str, votes: int) -> bool:
    """Whether at least ``votes`` readers marked the finding."""
    return sum(finding in marked for marked in readings.values()) >= votes


def agreed(readings: Readings, finding: str, votes: int) -> FloatArray:
    """(M,4) boxes that at least ``votes`` readers marked: those that overlap by ``ALIKE`` in a chain, edges averaged.

    With 1 vote, each place that anybody marked, once.

    >>> a, b = {"Mass": np.array([[0, 0, 10, 10.0]])}, {"Mass": np.array([[0, 0, 10, 12.0]])}
    >>> agreed({"a": a, "b": b}, "Mass", 2).tolist()
    [[0.0, 0.0, 10.0, 11.0]]
    """
    owners = np.array([reader for reader, marked in readings.items() for _ in marked.get(finding, ())])
    boxes = as_boxes([box for marked in readings.values() for box in marked.get(finding, ())])
    groups = _chains(iou(boxes, boxes) >= ALIKE)
    return as_boxes([boxes[group].mean(axis=0) for group in groups if len(set(owners[group])) >= votes])


def _chains(alike: np.ndarray) -> list[np.ndarray]:
    """Indices of the connected groups of a symmetric (n,n) relation, in the order of their first members."""
    left, groups = set(range(len(alike))), []
    while left:
        group: set[int] = set()
        reached = {min(left)}
        while reached - group:
            group |= reached
            reached = set(np.flatnonzero(alike[sorted(group)].any(axis=0)).tolist())
        groups.append(np.array(sorted(group)))
        left -= group
    return groups
