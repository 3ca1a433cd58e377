"""Mean IoU of the raw map above five fixed thresholds with the truth boxes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from locus.core.frames import Alignment, Grid
from locus.scoring.pixels import interior
from locus.scoring.protocols import base
from locus.scoring.protocols.base import Cases, Result
from locus.scoring.statistics.summary import Column
from locus.scoring.surface.bilinear import to_frame

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5)


class MeanIou(base.Protocol):
    """Mean IoU of {map > t} with the union of the truth boxes, over t = .1, .2, .3, .4 and .5 of the raw values.

    For the cosine maps of text-prompted networks: their values have a meaning, so nothing is scaled. Do not compare
    methods whose values have different units. The map is interpolated to the pixels of the frame; a pixel is inside a
    box if its centre is. A flat or failed map has IoU 0. Boecking et al., "Making the most of text semantics", ECCV
    2022.
    """

    name = "miou"
    main = "miou@raw"
    geometry = "pixels"
    judges = "raw"

    def evaluate(
        self, cases: Cases, findings: Sequence[str], seed: int = 0, validation: Cases = ()
    ) -> Result:
        """Return ``miou@raw`` per finding and their mean; a row per case with truth."""
        scored = base.of_findings(cases, findings)
        values, reasons = (
            zip(*map(_of_case, base.with_bar(scored)), strict=True) if scored else ((), ())
        )
        column = Column(
            self.main, "fixed", np.array(values, dtype=np.float64), np.ones(len(scored))
        )
        return base.result_of(scored, reasons, [column], {self.main: values}, findings, seed)


def mean_iou(
    values: ArrayLike, boxes: ArrayLike, frame: tuple[int, int], grid: Grid | Alignment
) -> float:
    """Return the mean IoU of a raw map, cut at each of ``LEVELS``, with the union of the boxes.

    Args:
        values: (h,w) map, not normalised.
        boxes: (M,4) boxes xyxy in the ``frame``.
        frame: height and width (H, W) of the image in pixels.
        grid: positions of the map in the image.

    Example:
        The levels .0, .0875, .2625 and .35 leave two pixels of this map, then one.

        >>> mean_iou([[0.0, 0.35]], [[2, 0, 4, 1]], (1, 4), "conventional")
        0.5
    """
    picture = to_frame(values, frame, grid)
    truth = interior(boxes, frame)
    above = [picture > level for level in LEVELS]
    return float(
        np.mean([(cells & truth).sum() / max((cells | truth).sum(), 1) for cells in above])
    )


def _of_case(case: base.Case) -> tuple[float, str]:
    values, reason = base.finite_map(case)
    if values is None or values.min() == values.max():
        return 0.0, reason if values is None else base.FLAT
    return mean_iou(values, case.boxes, case.frame, case.grid), ""
