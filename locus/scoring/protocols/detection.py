"""The protocols of boxes with confidences: ``detection`` (average precision) and ``froc``.

They score images with and without a finding. An image with a truth box of a finding is a positive, an image labelled
without the finding a negative. All other images (labelled positive without a box, or not labelled) are left out for
that finding; ``left_out`` is their share. ``ConfidenceProtocol`` is the base class, ``BoxCases`` the cases with all
their boxes. The protocols without confidences are in the other files of this folder.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from locus.core.errors import NotAvailableError
from locus.core.frames import holds, iobb, iou, ratio
from locus.core.scores import ThresholdSource
from locus.core.types import FloatArray
from locus.scoring.protocols.base import (
    Case,
    Cases,
    Protocol,
    Result,
    case_index,
    failures,
    rows,
)
from locus.scoring.protocols.single_box import DEFAULT_THRESHOLD, IOU
from locus.scoring.score_thresholds import ExactThresholds, cross_fitted
from locus.scoring.statistics.resample import (
    Resampled,
    Sums,
    bootstrap_draws,
    mean,
)
from locus.scoring.statistics.summary import (
    NO_DENOMINATOR,
    Column,
    FindingEstimates,
    estimate,
    scores,
)
from locus.scoring.surface import Surface, all_boxes
from locus.scoring.surface.trace import GivenBoxes, trace

Index = NDArray[np.int64]
Hits = NDArray[np.bool_]
NO_NEGATIVE = "no image without the finding"


class ConfidenceProtocol(Protocol):
    """Scores boxes with confidences on positives and negatives. A subclass defines ``measure``."""

    name: ClassVar[str]
    judges = "confidences"
    takes_boxes = True

    def evaluate(
        self, cases: Cases, findings: Sequence[str], seed: int = 0, validation: Cases = ()
    ) -> Result:
        """Return ``left_out`` and the scores of ``measure``; a row per positive and negative."""
        of_interest = [case for case in cases if case.finding in findings]
        judged, left_out = _populations(of_interest)
        batch = BoxCases(judged, findings, seed)
        counted = estimate([left_out], case_index(of_interest), findings, seed)
        estimates, columns = self.measure(batch)
        table = rows(judged, batch.reasons, columns)
        failed = failures(judged, batch.reasons)
        remark = batch.ties
        return Result(scores([*counted, *estimates], findings), table, {}, failed, remark=remark)

    @abstractmethod
    def measure(self, batch: "BoxCases") -> tuple[list[FindingEstimates], Mapping[str, ArrayLike]]:
        """Return the estimates of all metrics, and the columns (N,) of the rows per case."""


def _populations(of_interest: Sequence[Case]) -> tuple[list[Case], Column]:
    """Return the positives and negatives among the cases, and the share that is neither.

    Raises ``NotAvailableError`` for a map without the classifier's probability.
    """
    is_judged = np.array(
        [len(case.boxes) > 0 or case.label == 0 for case in of_interest], dtype=bool
    )
    chosen = [case for case, keep in zip(of_interest, is_judged, strict=True) if keep]
    if any(
        case.submitted_boxes is None and case.map is not None and case.probability is None
        for case in chosen
    ):
        raise NotAvailableError(
            "boxes of maps need the classifier's probabilities: give them with --predictions FILE"
        )
    return chosen, Column("left_out", "none", ~is_judged, np.ones(len(of_interest)))


def left_out_scores(
    cases: Cases, findings: Sequence[str], seed: int = 0
) -> list[tuple[float, dict[str, float]]]:
    """Return the main scores of ``detection`` and ``froc``, means over findings, and without each patient."""
    judged, _ = _populations([case for case in cases if case.finding in findings])
    batch = BoxCases(judged, findings, seed)
    hits = [
        HITS["iou.3"](boxes, case.boxes)
        for case, (boxes, _) in zip(judged, batch.boxes, strict=True)
    ]
    precision = [_precision_sums(batch, numbers, MAIN_AP_IOU) for numbers in batch.numbers]
    sensitivity = [_froc_sums(batch, numbers, hits, "") for numbers in batch.numbers]
    scores = []
    people = np.unique([case.patient_id for case in judged]).tolist()
    for sums, statistic in ((precision, average_precision), (sensitivity, mean_sensitivity)):
        value = mean(np.array([statistic(sums_of_finding.value[0]) for sums_of_finding in sums]), 0)
        without = mean(
            np.array([statistic(sums_of_finding.without[:, 0]) for sums_of_finding in sums]), 0
        )
        scores.append((float(value), dict(zip(people, without.tolist(), strict=True))))
    return scores


class BoxCases:
    """Positives and negatives (N cases) of F findings with all their boxes."""

    def __init__(self, cases: Sequence[Case], findings: Sequence[str], seed: int) -> None:
        self.cases = cases
        self.seed = seed
        listed = [
            [n for n, case in enumerate(cases) if case.finding == finding] for finding in findings
        ]
        self.numbers = [
            np.array(sorted(case_numbers, key=lambda n: cases[n].image_id), dtype=np.int64)
            for case_numbers in listed
        ]
        """Indices of each finding's cases."""
        self.reasons = [case.prediction[1] for case in cases]
        """(N,) reasons for missing boxes."""
        self.truths = np.array([len(case.boxes) for case in cases], dtype=np.int64)
        """(N,) number of truth boxes."""
        self.positive = self.truths > 0
        self.patients = np.unique(case_index(cases).patients, return_inverse=True)[1].reshape(-1)
        """(N,) index of each case's patient."""
        self.threshold_source: ThresholdSource = (
            "none" if any(case.submitted_boxes is not None for case in cases) else "cross-fitted"
        )
        """Submitted boxes need no score threshold; boxes of maps use a threshold chosen on other patients."""

    @cached_property
    def boxes(self) -> list[tuple[FloatArray, FloatArray]]:
        """(M,4) boxes and (M,) confidences of each case, highest first, at the score threshold of ``single_box``."""
        traces = (
            (trace(case.prediction[0] if len(case.boxes) else None), case.boxes)
            for case in self.cases
        )
        selector = ExactThresholds(IOU, traces)
        thresholds = cross_fitted(selector, case_index(self.cases), DEFAULT_THRESHOLD, self.seed)
        return [
            _boxes(case, threshold)
            for case, threshold in zip(self.cases, thresholds.tolist(), strict=True)
        ]

    @cached_property
    def overlaps(self) -> list[FloatArray]:
        """(M,N) IoU of the boxes of each case with its truth boxes."""
        pairs = zip(self.cases, self.boxes, strict=True)
        return [np.nan_to_num(iou(boxes, case.boxes)) for case, (boxes, _) in pairs]

    @property
    def ties(self) -> str:
        """Remark on boxes whose confidence other boxes of the finding have, too; empty for up to 1 % of the boxes."""
        lists = [self.flat(numbers, lambda n: self.boxes[n][1])[1] for numbers in self.numbers]
        repeats = [np.unique(values, return_counts=True)[1] for values in lists]
        tied = sum(int(n[n > 1].sum()) for n in repeats)
        total = sum(map(len, lists))
        text = f"{tied} of {total} boxes have equal confidences: they are counted together"
        return text if tied > total / 100 else ""

    def totals(self, values: NDArray[Any]) -> Index:
        """Sum values (N,) of the cases by finding: (F,)."""
        return np.array([values[numbers].sum() for numbers in self.numbers], dtype=np.int64)

    def flat(
        self, numbers: Index, values: Callable[[int], NDArray[Any]]
    ) -> tuple[Index, NDArray[Any]]:
        """Concatenate the ``values`` of the cases ``numbers``: indices (D,) of the cases, and values (D,)."""
        arrays = [values(n) for n in numbers.tolist()]
        return np.repeat(numbers, [len(array) for array in arrays]), np.concatenate([[], *arrays])

    @property
    def row_columns(self) -> dict[str, NDArray[Any]]:
        """Columns of the rows per case: number of truth boxes, number of boxes, highest confidence."""
        best = np.array([confidence.max(initial=-1) for _, confidence in self.boxes])
        counts = np.array([len(boxes) for boxes, _ in self.boxes], dtype=np.int64)
        return {
            "truths": self.truths,
            "boxes": counts,
            "confidence": np.where(best < 0, np.nan, best),
        }

    def sums(self, numbers: Index, blocks: Sequence[FloatArray]) -> Sums:
        """Return sums by patient from ``blocks`` (P,M) of columns over the cases ``numbers``, for resampling."""
        columns = np.concatenate(blocks, 1)
        counts = np.bincount(self.patients[numbers], minlength=len(columns)).astype(np.float64)
        whole = np.broadcast_to(
            counts[:, None], columns.shape
        )  # a scale that cancels in ratios of columns
        return Sums(columns[:, None], whole[:, None])

    def per_patient(self, numbers: Index, values: NDArray[Any]) -> FloatArray:
        """Sum values (n,) of the cases ``numbers`` by patient: (P,1)."""
        sums = np.zeros(self.patients.max(initial=-1) + 1)
        np.add.at(sums, self.patients[numbers], values)
        return sums[:, None]

    def cumulative(self, cases: Index, keys: FloatArray, limits: FloatArray) -> FloatArray:
        """Count each patient's ``keys`` (D,) that are at most ``limits`` (T,), in ascending order: (P,T).

        ``cases`` (D,) are the cases of the keys.
        """
        out = np.zeros((self.patients.max(initial=-1) + 1, len(limits) + 1))
        np.add.at(out, (self.patients[cases], np.searchsorted(limits, keys)), 1)
        return out[:, :-1].cumsum(1)

    def resampled(
        self, sums_of_findings: Sequence[Sums], statistic: Callable[[Any], Any]
    ) -> Resampled | None:
        """Resample a ``statistic`` (..., M) -> (...) of each finding's columns over patients: (F,)."""
        samples = [
            bootstrap_draws(sums, self.seed).over(statistic)[0]
            for sums in sums_of_findings
            if self.cases
        ]
        return Resampled.join(samples) if samples else None


def _boxes(case: Case, threshold: float) -> tuple[FloatArray, FloatArray]:
    prediction, _ = case.prediction
    if isinstance(prediction, GivenBoxes):
        return prediction.boxes, prediction.confidence
    if not isinstance(prediction, Surface):
        return np.zeros((0, 4)), np.zeros(0)
    boxes, peaks = all_boxes(prediction, threshold)
    return boxes, peaks * (case.probability or 0.0)


AP_IOU = (0.1, 0.3, 0.4, 0.5, 0.75)
MAIN_AP_IOU = 0.4
RECALLS = np.linspace(0, 1, 101)
MAX_BOXES = 100
"""Maximum number of boxes per image and finding in COCO's convention."""
Match = Callable[[FloatArray, float], Hits]


class Detection(ConfidenceProtocol):
    """Area under the precision-recall curve over all boxes of a finding, highest confidence first, in two conventions.

    ``ap@iou.4`` and others follow PASCAL VOC 2010: all points; a box is matched with the truth box of the largest
    overlap and is true if IoU > t and that truth box is not yet matched. ``ap101@iou.4`` and others follow COCO:
    precision at 101 recalls; a box is matched with the unmatched truth box of the largest overlap if IoU >= t, and an
    image contributes at most 100 boxes. Boxes on negatives are false; equal confidences are counted together.
    ``left_out`` is the share of images that are neither positive nor negative. The boxes of a map are those of all
    components at the threshold of ``single_box``; their confidence is the classifier's probability times the highest
    value of the component. Everingham et al., "The PASCAL visual object classes challenge", IJCV 2010 and its
    development kit; Lin et al., "Microsoft COCO", ECCV 2014. VinDr-CXR's challenge scores by VOC at .4. Only the main
    metric has intervals.
    """

    name = "detection"
    main = "ap@iou.4"

    def measure(self, batch: BoxCases) -> tuple[list[FindingEstimates], Mapping[str, ArrayLike]]:
        """Return ``ap@iou.1`` …, ``ap101@iou.1`` …; ``hits`` in a row follows VOC at the main threshold."""
        estimates = [e for above in AP_IOU for e in _average_precisions(batch, above)]
        hits = np.array(
            [voc_matches(overlap, MAIN_AP_IOU).sum() for overlap in batch.overlaps], dtype=np.int64
        )
        return estimates, {**batch.row_columns, "hits": hits}


def _average_precisions(batch: BoxCases, above: float) -> list[FindingEstimates]:
    """Return the VOC and COCO estimates at one IoU threshold."""
    n = batch.totals(batch.truths)
    threshold_text = f"{above:g}".removeprefix("0")
    voc = [_precision_sums(batch, numbers, above) for numbers in batch.numbers]
    samples = batch.resampled(voc, average_precision) if above == MAIN_AP_IOU else None
    value = np.array([average_precision(sums.value[0]) for sums in voc], dtype=np.float64)
    coco = np.array([_ap101(batch, numbers, above) for numbers in batch.numbers], dtype=np.float64)
    main = FindingEstimates(f"ap@iou{threshold_text}", batch.threshold_source, value, n, samples)
    return [main, replace(main, metric=f"ap101@iou{threshold_text}", value=coco, samples=None)]


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
    free = np.ones(overlap.shape[1], dtype=bool)
    true = np.zeros(len(overlap), dtype=bool)
    for n, row in enumerate(overlap):
        candidates = np.flatnonzero(free & (row >= min(at_least, 1 - 1e-10)))
        if len(candidates):
            best = candidates[row[candidates] == row[candidates].max()][
                -1
            ]  # the source takes the last of equal ones
            free[best] = False
            true[n] = True
    return true


def average_precision(columns: Any) -> Any:
    """Return the area (...) under the precision-recall curve; nan without a truth box.

    ``columns`` (..., 2·T+1): true and false boxes up to each of T true boxes, and the number of truth boxes.

    >>> average_precision(np.array([1.0, 2, 0, 1, 2])).round(3).item()  # true, false, true; two truth boxes
    0.833
    """
    size = (columns.shape[-1] - 1) // 2
    true = columns[..., :size]
    false = columns[..., size:-1]
    truths = columns[..., -1]
    precision = np.nan_to_num(ratio(true, true + false))
    envelope = np.maximum.accumulate(precision[..., ::-1], -1)[..., ::-1]
    gained = np.diff(true, axis=-1, prepend=0)
    return ratio((gained * envelope).sum(-1), truths)


def ranked(
    batch: BoxCases, numbers: Index, matches: Match, iou_threshold: float, most: int | None = None
) -> tuple[Index, Hits, FloatArray]:
    """Return the boxes of some cases by confidence, the highest first. Boxes with equal confidences have one rank.

    Args:
        batch: the cases.
        numbers: positions of the used cases.
        matches: rule that says which boxes are hits.
        iou_threshold: overlap at which it does.
        most: largest number of boxes per case; None: all.

    Returns:
        The case, whether it is true, and the rank (D,) of each box.
    """
    case_of, confidences = batch.flat(numbers, lambda n: batch.boxes[n][1][:most])
    _, true = batch.flat(numbers, lambda n: matches(batch.overlaps[n][:most], iou_threshold))
    order = np.argsort(-confidences, kind="stable")
    rank = np.cumsum(np.diff(confidences[order], prepend=np.inf) != 0).astype(np.float64)
    return case_of[order], true[order].astype(bool), rank


def _precision_sums(batch: BoxCases, numbers: Index, above: float) -> Sums:
    case_of, true, rank = ranked(batch, numbers, voc_matches, above)
    ranks_of_hits = rank[true]
    counted = [
        batch.cumulative(case_of[which], rank[which], ranks_of_hits) for which in (true, ~true)
    ]
    return batch.sums(numbers, [*counted, batch.per_patient(numbers, batch.truths[numbers])])


def _ap101(batch: BoxCases, numbers: Index, at_least: float) -> float:
    """Return the area by COCO's rule, with the same operations as its source."""
    truths = int(batch.truths[numbers].sum())
    if not truths:
        return np.nan
    _, true, rank = ranked(batch, numbers, coco_matches, at_least, MAX_BOXES)
    last = np.flatnonzero(
        np.diff(rank, append=-1)
    )  # boxes with equal confidences are counted together
    hits = true.cumsum().astype(np.float64)[last]
    precision = hits / (last + 1 + np.spacing(1))
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(envelope[np.searchsorted(hits / truths, RECALLS, side="left")].mean())


RATES = (0.125, 0.25, 0.5, 1, 2, 4, 8)
"""False boxes per image."""
RATE_TOLERANCE = 1 + 1e-6
"""Tolerance for rounding: a rate that is reached exactly is allowed."""
ALL_IMAGES_SUFFIX = "@all"
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

    def measure(self, batch: BoxCases) -> tuple[list[FindingEstimates], Mapping[str, ArrayLike]]:
        """Return ``froc@iou.3`` … and their seven rates; ``hits`` in a row counts truth boxes hit by IoU."""
        pairs = [
            (boxes, case.boxes) for case, (boxes, _) in zip(batch.cases, batch.boxes, strict=True)
        ]
        hits = {hit_name: [hit(*pair) for pair in pairs] for hit_name, hit in HITS.items()}
        ends = [(hit_name, suffix) for hit_name in HITS for suffix in ("", ALL_IMAGES_SUFFIX)]
        estimates = [
            e
            for hit_name, suffix in ends
            for e in _froc_estimates(batch, hits[hit_name], hit_name, suffix)
        ]
        by_iou = np.array([hit.any(0).sum() for hit in hits["iou.3"]], dtype=np.int64)
        return estimates, {**batch.row_columns, "hits": by_iou}


def _froc_estimates(
    batch: BoxCases, hits: Sequence[Hits], hit_name: str, suffix: str
) -> list[FindingEstimates]:
    """Return the mean of the seven rates, then each of them."""
    metric = f"froc@{hit_name}"
    reason = NO_DENOMINATOR if suffix else NO_NEGATIVE
    n = batch.totals(batch.truths)
    sums = [_froc_sums(batch, numbers, hits, suffix) for numbers in batch.numbers]
    curve = np.array([sensitivities(finding_sums.value[0]) for finding_sums in sums]).reshape(
        len(sums), len(RATES)
    )
    is_main = metric + suffix == Froc.main
    samples = batch.resampled(sums, mean_sensitivity) if is_main else None
    whole = FindingEstimates(
        metric + suffix, batch.threshold_source, curve.mean(1), n, samples, reason=reason
    )
    names = [f"{metric}@{rate:g}{suffix}".replace("@0.", "@.") for rate in RATES]
    by_rate = zip(names, curve.T, strict=True)
    return [
        whole,
        *(replace(whole, metric=name, value=value, samples=None) for name, value in by_rate),
    ]


def sensitivities(columns: Any) -> Any:
    """Return the sensitivities (...,7) at the seven rates; nan without a truth box or an image.

    ``columns`` (..., 2·T+2): truth boxes hit and false boxes down to each of T confidences, numbers of truth boxes and
    of images.

    >>> sensitivities(np.array([1.0, 2, 0, 3, 2, 4])).tolist()  # the second hit comes after 3 false boxes in 4 images
    [0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0]
    """
    size = (columns.shape[-1] - 2) // 2
    hit = columns[..., :size]
    false = columns[..., size:-2]
    truths = columns[..., -2:-1]
    images = columns[..., -1:]
    rates = np.array(RATES, dtype=columns.dtype)[:, None]
    allowed = false[..., None, :] <= rates * images[..., None, :] * RATE_TOLERANCE
    most = np.where(allowed, hit[..., None, :], 0).max(-1, initial=0)
    has_images = np.broadcast_to(images > 0, most.shape)
    return np.where(has_images, ratio(most, np.broadcast_to(truths, most.shape)), np.nan)


def mean_sensitivity(columns: Any) -> Any:
    """Return the mean (...) of the ``sensitivities``."""
    return sensitivities(columns).mean(-1)


def _froc_sums(batch: BoxCases, numbers: Index, hits: Sequence[Hits], suffix: str) -> Sums:
    """Return a finding's columns by patient, sorted by negated confidences."""

    def first(n: int) -> FloatArray:
        keys = np.where(hits[n], -batch.boxes[n][1][:, None], np.inf).min(0, initial=np.inf)
        return keys[np.isfinite(keys)]

    def false(n: int) -> FloatArray:
        return -batch.boxes[n][1][~hits[n].any(1) & (bool(suffix) or not batch.positive[n])]

    true_cases, true_keys = batch.flat(numbers, first)
    limits = np.unique(true_keys)
    counted = [
        batch.cumulative(true_cases, true_keys, limits),
        batch.cumulative(*batch.flat(numbers, false), limits),
    ]
    images = (suffix == ALL_IMAGES_SUFFIX) | ~batch.positive[numbers]
    totals = [batch.per_patient(numbers, counts) for counts in (batch.truths[numbers], images)]
    return batch.sums(numbers, [*counted, *totals])
