"""The pointing game, whether the maximum of the map is inside a truth box, and three rules of published scripts."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from locus.core.frames import as_boxes, holds
from locus.core.types import FloatArray
from locus.scoring.protocols import base
from locus.scoring.protocols.base import (
    Case,
    Cases,
    Protocol,
    Result,
    case_index,
    failures,
)
from locus.scoring.statistics.summary import Column, estimate, scores

TOLERANCE_SHARE = 15 / 224
"""The paper's 15 pixels at the network's input, as a share of the frame's width (our scaling)."""
METRICS = ("pointing", "pointing@15")
PIXEL_ROUNDING = 1e-9
"""Tolerance for rounding, in pixels."""


class Pointing(Protocol):
    """Share of cases whose highest point is in a truth box, or within 15·W/224 pixels of one (``pointing@15``).

    The maximum of a bilinear surface is at a vertex; of equal ones, the first in row-major order counts. A box includes
    its edges. A flat or failed map is a miss. For submitted boxes the point is the centre of the box with the highest
    confidence. Zhang et al., "Top-down neural attention by excitation backprop", ECCV 2016, section 4.2.
    """

    name = "pointing"
    main = "pointing"
    takes_boxes = True

    def evaluate(
        self, cases: Cases, findings: Sequence[str], seed: int = 0, validation: Cases = ()
    ) -> Result:
        """Return ``pointing`` and ``pointing@15``; rows with the point and its distance to the nearest truth box."""
        scored = base.of_findings(cases, findings)
        reasons, *values = (
            zip(*map(_of_case, base.with_bar(scored)), strict=True) if scored else [()] * 6
        )
        table = dict(zip(("x", "y", "distance", *METRICS), map(np.array, values), strict=True))
        columns = [
            Column(metric, "none", table[metric], np.ones(len(scored))) for metric in METRICS
        ]
        return base.result_of(scored, reasons, columns, table, findings, seed)


def distance(point: tuple[float, float], boxes: ArrayLike) -> float:
    """Return the Euclidean distance from (x, y) to the nearest of (M,4) boxes; 0 inside and on the edge.

    >>> distance((0, 3), [[3, 0, 9, 9], [3, 7, 9, 9]])
    3.0
    """
    truth = as_boxes(boxes)
    xy = np.asarray(point, dtype=np.float64)
    gap = np.maximum(np.maximum(truth[:, :2] - xy, xy - truth[:, 2:]), 0)
    return float(np.sqrt((gap**2).sum(1)).min())


def _of_case(case: Case) -> tuple[str, float, float, float, bool, bool]:
    peak, reason = case.peak
    if peak is None:
        return reason, np.nan, np.nan, np.nan, False, False
    away = distance(peak, case.boxes)
    return (
        reason,
        *peak,
        away,
        away == 0,
        away <= TOLERANCE_SHARE * case.frame[1] + PIXEL_ROUNDING,
    )


TOLERANCE_PIXELS = 20
"""Pixels of the published image on each side of a box."""
CELLS_PER_SIDE = 14
"""Cells along each side of the image: 16 of 224 pixels."""


class PointingRule(Protocol):
    """Scores the highest point of a map. A subclass defines the ``credit`` of a point."""

    name: ClassVar[str]
    judges = "masks"
    """Value for maps that are compared with points: a suite runs these rules only if its ``protocols`` name them."""
    takes_boxes = True
    is_pooled: ClassVar[bool] = False
    """Whether all cases are averaged at once, not finding by finding."""

    @staticmethod
    @abstractmethod
    def credit(points: FloatArray, boxes: FloatArray, frame: tuple[int, int]) -> FloatArray:
        """Return the credit (P,) of ``points`` (P,2) x, y for the truth ``boxes`` (M,4) in the ``frame`` (H, W)."""

    def evaluate(
        self, cases: Cases, findings: Sequence[str], seed: int = 0, validation: Cases = ()
    ) -> Result:
        """Return the mean credit; a row per case with truth."""
        scored = base.of_findings(cases, findings)
        peaks, reasons = (
            zip(*(case.peak for case in base.with_bar(scored)), strict=True) if scored else ((), ())
        )
        credit = [
            0.0 if peak is None else float(self.credit(np.array([peak]), case.boxes, case.frame)[0])
            for case, peak in zip(scored, peaks, strict=True)
        ]
        index = case_index(scored)
        names = ["all"] if self.is_pooled else findings
        if self.is_pooled:
            index = replace(index, findings=np.full(len(scored), "all"))
        column = Column(self.main, "none", np.array(credit), np.ones(len(scored)))
        kept_scores = [
            score
            for score in scores(estimate([column], index, names, seed), names)
            if score.finding != "all"
        ]
        return Result(
            kept_scores,
            base.rows(scored, reasons, {self.main: credit}),
            {},
            failures(scored, reasons),
        )


class PointingPooled(PointingRule):
    """Share of all pairs of image and finding whose highest point is in a box: frequent findings weigh more."""

    name = "pointing_pooled"
    main = "pointing@pooled"
    is_pooled = True

    @staticmethod
    def credit(points: FloatArray, boxes: FloatArray, frame: tuple[int, int]) -> FloatArray:
        """Return 1 for points in a box."""
        return np.asarray(holds(boxes, points).any(0), dtype=np.float64)


class PointingFirstBox(PointingRule):
    """The score of VECL's released script: not a share, since a finding with many boxes may score more than 1.

    Only the first box of a finding is compared, widened by 20 pixels of the published image on each side. A hit adds
    the number of boxes, and the sum is divided by the number of images.
    """

    name = "pointing_first_box"
    main = "pointing@first_box"

    @staticmethod
    def credit(points: FloatArray, boxes: FloatArray, frame: tuple[int, int]) -> FloatArray:
        """Return the number of boxes for points in or near the first one."""
        wide = boxes[:1] + np.array(
            [-TOLERANCE_PIXELS, -TOLERANCE_PIXELS, TOLERANCE_PIXELS, TOLERANCE_PIXELS]
        )
        return np.asarray(len(boxes) * holds(wide, points)[0].astype(np.float64))


class PointingCell(PointingRule):
    """The score of MedKLIP's released script: a hit if the 16-pixel cell of the highest point touches a box."""

    name = "pointing_cell"
    main = "pointing@cell"

    @staticmethod
    def credit(points: FloatArray, boxes: FloatArray, frame: tuple[int, int]) -> FloatArray:
        """Return 1 for points in a cell, of 14×14, that overlaps a box."""
        side = np.array(frame[::-1]) / CELLS_PER_SIDE
        low = np.floor(points / side) * side
        high = low + side
        touches = np.zeros(len(points), dtype=bool)
        for x0, y0, x1, y1 in boxes:
            touches |= (low[:, 0] < x1) & (high[:, 0] > x0) & (low[:, 1] < y1) & (high[:, 1] > y0)
        return touches.astype(np.float64)
