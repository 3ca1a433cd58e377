"""FROC: share of truth boxes hit at a given number of false boxes per image."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from benchmark.scoring.protocols.confident import NO_NEGATIVE, BoxCases, ConfidenceProtocol, Hits, Index
from benchmark.scoring.statistics.patients import Sums, ratio
from benchmark.scoring.statistics.summary import NOTHING, Estimate
from core.boxes import holds, iobb, iou
from core.types import FloatArray

RATES = (0.125, 0.25, 0.5, 1, 2, 4, 8)
"""False boxes per image."""
ROUNDING = 1 + 1e-6
"""Tolerance for rounding: a rate that is reached exactly is allowed."""
ALL = "@all"
"""Suffix of metrics that count false boxes on all images."""
HITS: Mapping[str, Callable[[FloatArray, FloatArray], Hits]] = {
    "iou.3": lambda boxes, truth: np.nan_to_num(iou(boxes, truth)) > 0.3,
    "iobb.25": lambda boxes, truth: np.nan_to_num(iobb(boxes, truth)) > 0.25,
    "center": lambda boxes, truth: holds(boxes, (truth[:, :2] + truth[:, 2:]) / 2),
}
"""Name of a criterion -> function of boxes (M,4) and truth boxes (N,4) that returns hits (M,N)."""


class Froc(ConfidenceProtocol):
    """Share of truth boxes hit at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false boxes per image, and the mean of the seven.

    A box hits a truth box by IoU > .3 (``froc@iou.3``), by IoBB > .25 (``froc@iobb.25``) or if it contains its centre
    (``froc@center``). A box that hits no truth box is false; several boxes may hit the same truth box. The sensitivity
    at a rate is the largest one with at most that many false boxes per negative image, or per image of any kind for
    metrics that end in ``@all``. ``froc@iou.3@.5`` is the sensitivity at 1/2. Beyond its end the curve is constant.
    Confidences, positives and negatives as in ``detection``. Bunch et al., "A free response approach to the measurement
    and characterization of radiographic observer performance", Proc. SPIE 127 (1977); the seven rates are LUNA16's.
    Only the main metric has intervals.
    """

    name = "froc"
    main = "froc@iou.3"

    def measure(self, batch: BoxCases) -> tuple[list[Estimate], Mapping[str, ArrayLike]]:
        """Return ``froc@iou.3`` … and their seven rates; ``hits`` in a row counts truth boxes hit by IoU."""
        pairs = [(boxes, case.boxes) for case, (boxes, _) in zip(batch.cases, batch.boxes, strict=True)]
        hits = {word: [hit(*pair) for pair in pairs] for word, hit in HITS.items()}
        ends = [(word, suffix) for word in HITS for suffix in ("", ALL)]
        estimates = [e for word, suffix in ends for e in _estimates(batch, hits[word], word, suffix)]
        by_iou = np.array([hit.any(0).sum() for hit in hits["iou.3"]], dtype=np.int64)
        return estimates, {**batch.row_columns, "hits": by_iou}


def _estimates(batch: BoxCases, hits: Sequence[Hits], word: str, suffix: str) -> list[Estimate]:
    """Return the mean of the seven rates, then each of them."""
    metric, reason, n = f"froc@{word}", NOTHING if suffix else NO_NEGATIVE, batch.totals(batch.truths)
    sums = [_sums(batch, numbers, hits, suffix) for numbers in batch.numbers]
    curve = np.array([sensitivities(one.value[0]) for one in sums]).reshape(len(sums), len(RATES))
    is_main = metric + suffix == Froc.main
    samples = batch.resampled(sums, lambda columns: sensitivities(columns).mean(-1)) if is_main else None
    whole = Estimate(metric + suffix, batch.origin, curve.mean(1), n, samples, reason=reason)
    names = [f"{metric}@{rate:g}{suffix}".replace("@0.", "@.") for rate in RATES]
    by_rate = zip(names, curve.T, strict=True)
    return [whole, *(replace(whole, metric=name, value=value, samples=None) for name, value in by_rate)]


def sensitivities(columns: Any) -> Any:
    """Return the sensitivities (...,7) at the seven rates; nan without a truth box or an image.

    ``columns`` (..., 2·T+2): truth boxes hit and false boxes down to each of T confidences, numbers of truth boxes and
    of images.

    >>> sensitivities(np.array([1.0, 2, 0, 3, 2, 4])).tolist()  # the second hit comes after 3 false boxes in 4 images
    [0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0]
    """
    size = (columns.shape[-1] - 2) // 2
    hit, false, truths, images = columns[..., :size], columns[..., size:-2], columns[..., -2:-1], columns[..., -1:]
    allowed = false[..., None, :] <= np.array(RATES, dtype=columns.dtype)[:, None] * images[..., None, :] * ROUNDING
    most = np.where(allowed, hit[..., None, :], 0).max(-1, initial=0)
    has_images = np.broadcast_to(images > 0, most.shape)
    return np.where(has_images, ratio(most, np.broadcast_to(truths, most.shape)), np.nan)


def _sums(batch: BoxCases, numbers: Index, hits: Sequence[Hits], suffix: str) -> Sums:
    """Return a finding's columns by patient, sorted by negated confidences."""

    def first(n: int) -> FloatArray:
        keys = np.where(hits[n], -batch.boxes[n][1][:, None], np.inf).min(0, initial=np.inf)
        return keys[np.isfinite(keys)]

    def false(n: int) -> FloatArray:
        return -batch.boxes[n][1][~hits[n].any(1) & (bool(suffix) or not batch.positive[n])]

    true_cases, true_keys = batch.flat(numbers, first)
    at = np.unique(true_keys)
    counted = [batch.cumulative(true_cases, true_keys, at), batch.cumulative(*batch.flat(numbers, false), at)]
    images = (suffix == ALL) | ~batch.positive[numbers]
    totals = [batch.per_patient(numbers, counts) for counts in (batch.truths[numbers], images)]
    return batch.sums(numbers, [*counted, *totals])
