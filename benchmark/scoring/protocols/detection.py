"""Average precision of boxes with confidences, as in object detection."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from benchmark.scoring.protocols.confident import BoxCases, ConfidenceProtocol, Hits, Index
from benchmark.scoring.statistics.patients import Sums, ratio
from benchmark.scoring.statistics.summary import Estimate
from core.types import FloatArray

IOU = (0.1, 0.3, 0.4, 0.5, 0.75)
MAIN = 0.4
RECALLS = np.linspace(0, 1, 101)
MOST = 100
"""Maximum number of boxes per image and finding in COCO's convention."""
Match = Callable[[FloatArray, float], Hits]


class Detection(ConfidenceProtocol):
    """Area under the precision-recall curve over all boxes of a finding, highest confidence first, in two conventions.

    ``ap@iou.4`` and others follow PASCAL VOC 2010: all points; a box is matched with the truth box of the largest
    overlap and is true if IoU > t and that truth box is not yet matched. ``ap101@iou.4`` and others follow COCO:
    precision at 101 recalls; a box is matched with the unmatched truth box of the largest overlap if IoU >= t, and an
    image contributes at most 100 boxes. Boxes on negatives are false. Equal confidences are ordered by image name.
    ``left_out`` is the share of images that are neither positive nor negative. The boxes of a map are those of all
    components at the threshold of ``locus``; their confidence is the classifier's probability times the component's
    highest value. Everingham et al., "The PASCAL visual object classes challenge", IJCV 2010 and its development kit;
    Lin et al., "Microsoft COCO", ECCV 2014. VinDr-CXR's challenge scores by VOC at .4. Only the main metric has
    intervals.
    """

    name = "detection"
    main = "ap@iou.4"

    def measure(self, batch: BoxCases) -> tuple[list[Estimate], Mapping[str, ArrayLike]]:
        """Return ``ap@iou.1`` …, ``ap101@iou.1`` …; ``hits`` in a row follows VOC at the main threshold."""
        estimates = [e for above in IOU for e in _estimates(batch, above)]
        hits = np.array([voc_matches(overlap, MAIN).sum() for overlap in batch.overlaps], dtype=np.int64)
        return estimates, {**batch.row_columns, "hits": hits}


def _estimates(batch: BoxCases, above: float) -> list[Estimate]:
    """Return the VOC and COCO estimates at one IoU threshold."""
    n, word = batch.totals(batch.truths), f"{above:g}".removeprefix("0")
    voc = [_sums(batch, numbers, above) for numbers in batch.numbers]
    samples = batch.resampled(voc, average_precision) if above == MAIN else None
    value = np.array([average_precision(sums.value[0]) for sums in voc], dtype=np.float64)
    coco = np.array([_ap101(batch, numbers, above) for numbers in batch.numbers], dtype=np.float64)
    main = Estimate(f"ap@iou{word}", batch.origin, value, n, samples)
    return [main, replace(main, metric=f"ap101@iou{word}", value=coco, samples=None)]


def voc_matches(overlap: FloatArray, above: float) -> Hits:
    """Return a mask (M,) of the true boxes by the rule of VOC 2010.

    ``overlap`` (M,N): IoU of the boxes, highest confidence first, with the truth boxes.

    >>> voc_matches(np.array([[0.9, 0.5], [0.8, 0.6]]), .4).tolist()  # the second is matched with the same truth box
    [True, False]
    """
    true = np.zeros(len(overlap), dtype=bool)
    if overlap.shape[1]:
        best = overlap.argmax(1)
        above_it = np.flatnonzero(overlap[np.arange(len(best)), best] > above)
        true[above_it[np.unique(best[above_it], return_index=True)[1]]] = True
    return true


def coco_matches(overlap: FloatArray, at_least: float) -> Hits:
    """Return a mask (M,) of the true boxes by the rule of COCO; ``overlap`` (M,N) as in ``voc_matches``.

    >>> coco_matches(np.array([[0.9, 0.5], [0.8, 0.6]]), .4).tolist()  # the second takes the free one
    [True, True]
    """
    free, true = np.ones(overlap.shape[1], dtype=bool), np.zeros(len(overlap), dtype=bool)
    for n, row in enumerate(overlap):
        candidates = np.flatnonzero(free & (row >= min(at_least, 1 - 1e-10)))
        if len(candidates):
            best = candidates[row[candidates] == row[candidates].max()][-1]  # the source takes the last of equal ones
            free[best], true[n] = False, True
    return true


def average_precision(columns: Any) -> Any:
    """Return the area (...) under the precision-recall curve; nan without a truth box.

    ``columns`` (..., 2·T+1): true and false boxes up to each of T true boxes, and the number of truth boxes.

    >>> average_precision(np.array([1.0, 2, 0, 1, 2])).round(3).item()  # true, false, true; two truth boxes
    0.833
    """
    size = (columns.shape[-1] - 1) // 2
    true, false, truths = columns[..., :size], columns[..., size:-1], columns[..., -1]
    precision = np.nan_to_num(ratio(true, true + false))
    envelope = np.maximum.accumulate(precision[..., ::-1], -1)[..., ::-1]
    gained = np.diff(true, axis=-1, prepend=0)
    return ratio((gained * envelope).sum(-1), truths)


def ranked(batch: BoxCases, numbers: Index, matches: Match, at: float, most: int | None = None) -> tuple[Index, Hits]:
    """Return the case (D,) of each box of ``numbers``, highest confidence first, and a mask (D,) of the true boxes."""
    case_of, confidences = batch.flat(numbers, lambda n: batch.boxes[n][1][:most])
    _, true = batch.flat(numbers, lambda n: matches(batch.overlaps[n][:most], at))
    order = np.argsort(-confidences, kind="stable")
    return case_of[order], true[order].astype(bool)


def _sums(batch: BoxCases, numbers: Index, above: float) -> Sums:
    case_of, true = ranked(batch, numbers, voc_matches, above)
    rank, at = np.arange(len(true), dtype=np.float64), np.flatnonzero(true).astype(np.float64)
    counted = [batch.cumulative(case_of[which], rank[which], at) for which in (true, ~true)]
    return batch.sums(numbers, [*counted, batch.per_patient(numbers, batch.truths[numbers])])


def _ap101(batch: BoxCases, numbers: Index, at_least: float) -> float:
    """Return the area by COCO's rule, with the same operations as its source."""
    truths = int(batch.truths[numbers].sum())
    if not truths:
        return np.nan
    _, true = ranked(batch, numbers, coco_matches, at_least, MOST)
    hits = true.cumsum().astype(np.float64)
    precision = hits / (np.arange(1, len(hits) + 1) + np.spacing(1))
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(envelope[np.searchsorted(hits / truths, RECALLS, side="left")].mean())
