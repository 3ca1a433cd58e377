"""The protocol of the data set's own paper: Acc and AFP."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from benchmark.protocols.base import Case, Protocol, Result, failures, identity, prepare
from benchmark.statistics.summary import Column, estimate, scores
from benchmark.surface import all_boxes
from core.boxes import iobb, iou
from core.types import FloatArray

LEVELS = (60 / 255, 180 / 255)
IOU = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
IOBB = (0.1, 0.25, 0.5, 0.75, 0.9)
METRICS = [("iou", t) for t in IOU] + [("iobb", t) for t in IOBB]


class Wang(Protocol):
    """Acc: share of truth boxes that some box localizes. AFP: false boxes of a finding per boxed case of all findings.

    A map is scaled to [0,255] and binarised at 60 and at 180; a box goes around each connected region. A truth box is
    localized when a box has IoU > T (or IoBB > T, the share of the detected box); a box is false when it localizes no
    truth box of its finding in its image, also where the finding has none there. n is the number of truth boxes; AFP
    divides by those of all findings (984 in NIH: the published values are k/984).

    Ours to fix, since the paper does not say: regions of the surface (saddles decide at corners), strict ``>`` in the
    binarisation, both levels' boxes pooled, the map not rounded to integers. Wang et al., "ChestX-ray8", CVPR 2017,
    tables 4 and 7; arXiv 1705.02315v5, table 19.
    """

    name = "wang"

    def evaluate(self, cases: Sequence[Case], findings: Sequence[str], seed: int = 0) -> Result:
        """``acc@iou.1`` …, ``acc@iobb.1`` …, ``afp@…``, origin ``fixed``; a row per image × finding."""
        kept = [case for case in cases if case.finding in findings]
        truths = Counter({case.image_id: 0 for case in kept})
        for case in kept:
            truths[case.image_id] += len(case.boxes)
        kept = [case for case in kept if truths[case.image_id]]
        found = [_predicted(case) for case in kept]
        counts = np.array([count(boxes, case.boxes) for (boxes, _), case in zip(found, kept, strict=True)])
        counts = counts.reshape(len(kept), 2, len(METRICS))
        own = np.array([len(case.boxes) for case in kept], dtype=np.float64)
        everyone = np.array([truths[case.image_id] for case in kept], dtype=np.float64)
        columns = [Column(f"acc@{_word(*m)}", "fixed", counts[:, 0, i], own) for i, m in enumerate(METRICS)]
        columns += [Column(f"afp@{_word(*m)}", "fixed", counts[:, 1, i], everyone, shared=True) for i, m in enumerate(METRICS)]
        estimates = estimate(columns, [c.finding for c in kept], [c.patient_id for c in kept], findings, seed)
        rows = [_row(case, *answer) for case, answer in zip(kept, found, strict=True)]
        return Result(scores(estimates, findings), rows, {"fixed": list(LEVELS)}, failures(kept, [why for _, why in found]))


def count(boxes: FloatArray, truth: FloatArray) -> FloatArray:
    """(P,4) boxes, (M,4) truth in one frame -> (2,12): localized truth boxes and false boxes at each IoU, then IoBB threshold.

    >>> count(np.array([[0, 0, 4, 4.0]]), np.array([[0, 0, 4, 2.0]]))[:, :7].tolist()
    [[1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]]
    """
    overlaps = {"iou": iou(boxes, truth), "iobb": iobb(boxes, truth)}
    matched = [overlaps[measure] > t for measure, t in METRICS]
    return np.array([[m.any(0).sum() for m in matched], [(~m.any(1)).sum() for m in matched]], dtype=np.float64)


def _predicted(case: Case) -> tuple[FloatArray, str]:
    on, reason = prepare(case)
    return (np.zeros((0, 4)), reason) if on is None else (all_boxes(on, LEVELS)[0], "")


def _row(case: Case, boxes: FloatArray, reason: str) -> dict[str, object]:
    best = {"iou": iou(boxes, case.boxes), "iobb": iobb(boxes, case.boxes)}
    largest = {name: float(values.max()) if values.size else None for name, values in best.items()}
    return {**identity(case, reason), "boxes": len(boxes), "truths": len(case.boxes), **largest}


def _word(measure: str, threshold: float) -> str:
    return f"{measure}{threshold:g}".replace("0.", ".")
