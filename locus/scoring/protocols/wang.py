"""The protocol of the ChestX-ray8 paper (Wang et al. 2017): Acc and AFP."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from locus.core.types import FloatArray
from locus.scoring.protocols.base import (
    Case,
    Cases,
    Protocol,
    Result,
    batches,
    result_of,
    with_bar,
)
from locus.scoring.statistics.summary import Column
from locus.scoring.surface.batch import Boxes, TruthBoxes

BOX_LEVELS = (60 / 255, 180 / 255)
IOU = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
IOBB = (0.1, 0.25, 0.5, 0.75, 0.9)
METRICS = [
    f"{measure}{t:g}".replace("0.", ".")
    for measure, above in (("iou", IOU), ("iobb", IOBB))
    for t in above
]


class Wang(Protocol):
    """Acc: share of localized truth boxes. AFP: false boxes of a finding per truth box of all findings.

    A map is scaled to [0,255] and binarised at 60 and at 180; each connected region gives a box. A truth box is
    localized if a box has IoU > T with it (or IoBB > T, the share of the detected box). A box is false if it localizes
    no truth box of its finding, also on an image without the finding. n is the number of truth boxes. AFP divides by
    the truth boxes of all findings (984 in NIH: the published values are k/984).

    The paper leaves some details open. Locus uses the components of the surface (saddles decide at corners), a strict
    ``>`` for both levels, the pooled boxes of both levels, and does not round the map to integers. Wang et al.,
    "ChestX-ray8", CVPR 2017, tables 4 and 7; arXiv 1705.02315v5, table 19.
    """

    name = "wang"
    main = "acc@iou.3"
    counts_false_alarms = True

    def evaluate(
        self, cases: Cases, findings: Sequence[str], seed: int = 0, validation: Cases = ()
    ) -> Result:
        """Return ``acc@iou.1`` …, ``acc@iobb.1`` …, ``afp@…``, source ``fixed``; a row per image × finding."""
        scored = [case for case in cases if case.finding in findings]
        truths = Counter({case.image_id: 0 for case in scored})
        for case in scored:
            truths[case.image_id] += len(case.boxes)
        scored = [case for case in scored if truths[case.image_id]]
        counted = [_counted(scored[batch_slice]) for batch_slice in batches(len(scored))]
        counts = np.concatenate([batch_counts for batch_counts, _, _ in counted], 1)
        reasons = [reason for *_, batch_reasons in counted for reason in batch_reasons]
        numbers = {
            name: np.concatenate([columns[name] for _, columns, _ in counted])
            for name in counted[0][1]
        }
        truth_counts = numbers["truths"].astype(np.float64)
        image_truths = np.array([truths[case.image_id] for case in scored], dtype=np.float64)
        columns = [
            Column(f"acc@{m}", "fixed", counts[0, :, i], truth_counts)
            for i, m in enumerate(METRICS)
        ]
        false = zip(METRICS, counts[1].T, strict=True)
        columns += [
            Column(f"afp@{m}", "fixed", values, image_truths, shared=True, is_share=False)
            for m, values in false
        ]
        return result_of(
            scored, reasons, columns, numbers, findings, seed, {"fixed": list(BOX_LEVELS)}
        )


def _counted(cases: Sequence[Case]) -> tuple[FloatArray, dict[str, NDArray[Any]], list[str]]:
    """Return ``count`` (2,n,12) of the cases, columns (n,) of their rows, and reasons (n,) for missing maps."""
    ready = [case.load_surface for case in with_bar(cases)]
    boxes = Boxes.from_surfaces([heat for heat, _ in ready], np.tile(BOX_LEVELS, (len(cases), 1)))
    truth = TruthBoxes.from_boxes([case.boxes for case in cases])
    box_counts = np.bincount(boxes.case_index, minlength=len(cases))
    columns = {"boxes": box_counts, "truths": truth.count, **_best(boxes, truth)}
    return count(boxes, truth), columns, [why for _, why in ready]


def count(boxes: Boxes, truth: TruthBoxes) -> FloatArray:
    """Count localized truth boxes and false boxes of N cases at each IoU, then IoBB, all levels pooled: (2,N,12).

    >>> one, truth = np.zeros(1, dtype=np.int64), TruthBoxes.from_boxes([np.array([[0, 0, 4, 2.0]])])
    >>> count(Boxes(np.array([[0, 0, 4, 4.0]]), one, one), truth)[:, 0, :7].tolist()
    [[1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]]
    """
    pooled = Boxes(boxes.boxes, boxes.case_index, np.zeros_like(boxes.case_index))
    counts = [
        truth.match_counts(pooled, measure, above, 1) for measure, above in enumerate((IOU, IOBB))
    ]
    return np.concatenate([match_counts[:, :, 0] for match_counts in counts], -1)


def _best(boxes: Boxes, truth: TruthBoxes) -> dict[str, FloatArray]:
    """Return the largest IoU and IoBB (N,) of any box with a truth box; nan without a box or a truth box."""
    out = np.full((2, len(truth.count)), -1.0)
    for best, overlap in zip(out, truth.overlaps(boxes.boxes, boxes.case_index), strict=True):
        np.maximum.at(best, boxes.case_index, overlap)
    return dict(
        zip(("iou", "iobb"), np.where((out < 0) | (truth.count == 0), np.nan, out), strict=True)
    )
