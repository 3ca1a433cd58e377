"""The pointing game: whether the maximum of the map is inside a truth box."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from locus.benchmark.scoring.protocols import base
from locus.benchmark.scoring.protocols.base import Case, Cases, Protocol, Result
from locus.benchmark.scoring.statistics.summary import Column
from locus.core.frames import as_boxes

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
    main = heading = "pointing"
    takes_boxes = True

    def evaluate(self, cases: Cases, findings: Sequence[str], seed: int = 0, validation: Cases = ()) -> Result:
        """Return ``pointing`` and ``pointing@15``; rows with the point and its distance to the nearest truth box."""
        scored = base.of_findings(cases, findings)
        reasons, *values = zip(*map(_of_case, scored), strict=True) if scored else [()] * 6
        table = dict(zip(("x", "y", "distance", *METRICS), map(np.array, values), strict=True))
        columns = [Column(metric, "none", table[metric], np.ones(len(scored))) for metric in METRICS]
        return base.result_of(scored, reasons, columns, table, findings, seed)


def distance(point: tuple[float, float], boxes: ArrayLike) -> float:
    """Return the Euclidean distance from (x, y) to the nearest of (M,4) boxes; 0 inside and on the edge.

    >>> distance((0, 3), [[3, 0, 9, 9], [3, 7, 9, 9]])
    3.0
    """
    b, p = as_boxes(boxes), np.asarray(point, dtype=np.float64)
    gap = np.maximum(np.maximum(b[:, :2] - p, p - b[:, 2:]), 0)
    return float(np.sqrt((gap**2).sum(1)).min())


def _of_case(case: Case) -> tuple[str, float, float, float, bool, bool]:
    prediction, reason = case.prediction
    if prediction is None:
        return reason, np.nan, np.nan, np.nan, False, False
    away = distance(prediction.peak, case.boxes)
    return reason, *prediction.peak, away, away == 0, away <= TOLERANCE_SHARE * case.frame[1] + PIXEL_ROUNDING
