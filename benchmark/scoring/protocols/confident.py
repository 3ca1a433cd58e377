"""Base of the detection protocols: boxes with confidences on images with and without a finding.

An image with a truth box of a finding is a positive, an image labelled without the finding a negative. All other images
(labelled positive without a box, or not labelled) are left out for that finding; ``left_out`` is their share.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.scoring.protocols.base import Case, Cases, Protocol, Result, case_index, failures
from benchmark.scoring.protocols.chosen import rows
from benchmark.scoring.protocols.locus import DEFAULT_THRESHOLD, IOU
from benchmark.scoring.statistics.bootstrap import Resampled, bootstrap_draws
from benchmark.scoring.statistics.patients import Sums
from benchmark.scoring.statistics.summary import Column, Estimate, estimate, scores
from benchmark.scoring.surface import Surface, all_boxes
from benchmark.scoring.surface.trace import GivenBoxes, trace
from benchmark.scoring.thresholds.exact import ExactThresholds
from benchmark.scoring.thresholds.origins import cross_fitted
from core.boxes import iou
from core.errors import NotAvailableError
from core.scores import Origin
from core.types import FloatArray

Index = NDArray[np.int64]
Hits = NDArray[np.bool_]
NO_NEGATIVE = "no image without the finding"


class ConfidenceProtocol(Protocol):
    """Scores boxes with confidences on positives and negatives. A subclass defines ``measure``."""

    name: ClassVar[str]
    judges = "confidences"
    takes_boxes = True

    def evaluate(self, cases: Cases, findings: Sequence[str], seed: int = 0, validation: Cases = ()) -> Result:
        """Return ``left_out`` and the scores of ``measure``; a row per positive and negative."""
        of_interest = [case for case in cases if case.finding in findings]
        judged, left_out = _populations(of_interest)
        batch = BoxCases(judged, findings, seed)
        counted = estimate([left_out], case_index(of_interest), findings, seed)
        estimates, columns = self.measure(batch)
        table = rows(judged, batch.reasons, columns)
        return Result(scores([*counted, *estimates], findings), table, {}, failures(judged, batch.reasons))

    @abstractmethod
    def measure(self, batch: "BoxCases") -> tuple[list[Estimate], Mapping[str, ArrayLike]]:
        """Return the estimates of all metrics, and the columns (N,) of the rows per case."""


def _populations(of_interest: Sequence[Case]) -> tuple[list[Case], Column]:
    """Return the positives and negatives among the cases, and the share that is neither.

    Raises ``NotAvailableError`` for a map without the classifier's probability.
    """
    is_judged = np.array([len(case.boxes) > 0 or case.label == 0 for case in of_interest], dtype=bool)
    chosen = [case for case, keep in zip(of_interest, is_judged, strict=True) if keep]
    if any(case.submitted_boxes is None and case.map is not None and case.probability is None for case in chosen):
        raise NotAvailableError("boxes of maps need the classifier's probabilities: give them with --predictions FILE")
    return chosen, Column("left_out", "none", ~is_judged, np.ones(len(of_interest)))


class BoxCases:
    """Positives and negatives (N cases) of F findings with all their boxes."""

    def __init__(self, cases: Sequence[Case], findings: Sequence[str], seed: int) -> None:
        self.cases, self.seed = cases, seed
        listed = [[n for n, case in enumerate(cases) if case.finding == finding] for finding in findings]
        self.numbers = [np.array(sorted(part, key=lambda n: cases[n].image_id), dtype=np.int64) for part in listed]
        """Indices of each finding's cases, sorted by image name, which orders equal confidences."""
        self.reasons = [case.prediction[1] for case in cases]
        """(N,) reasons for missing boxes."""
        self.truths = np.array([len(case.boxes) for case in cases], dtype=np.int64)
        """(N,) number of truth boxes."""
        self.positive = self.truths > 0
        self.patients = np.unique(case_index(cases).patients, return_inverse=True)[1].reshape(-1)
        """(N,) index of each case's patient."""
        self.origin: Origin = "none" if any(case.submitted_boxes is not None for case in cases) else "cross-fitted"
        """Submitted boxes need no score threshold; boxes of maps use a threshold chosen on other patients."""

    @cached_property
    def boxes(self) -> list[tuple[FloatArray, FloatArray]]:
        """(M,4) boxes and (M,) confidences of each case, highest first, at the score threshold of ``locus``."""
        traces = ((trace(case.prediction[0] if len(case.boxes) else None), case.boxes) for case in self.cases)
        selector = ExactThresholds(IOU, traces)
        thresholds = cross_fitted(selector, case_index(self.cases), DEFAULT_THRESHOLD, self.seed)
        return [_boxes(case, threshold) for case, threshold in zip(self.cases, thresholds.tolist(), strict=True)]

    @cached_property
    def overlaps(self) -> list[FloatArray]:
        """(M,N) IoU of the boxes of each case with its truth boxes."""
        pairs = zip(self.cases, self.boxes, strict=True)
        return [np.nan_to_num(iou(boxes, case.boxes)) for case, (boxes, _) in pairs]

    def totals(self, values: NDArray[Any]) -> Index:
        """Sum values (N,) of the cases by finding: (F,)."""
        return np.array([values[numbers].sum() for numbers in self.numbers], dtype=np.int64)

    def flat(self, numbers: Index, values: Callable[[int], NDArray[Any]]) -> tuple[Index, NDArray[Any]]:
        """Concatenate the ``values`` of the cases ``numbers``: indices (D,) of the cases, and values (D,)."""
        arrays = [values(n) for n in numbers.tolist()]
        return np.repeat(numbers, [len(one) for one in arrays]), np.concatenate([[], *arrays])

    @property
    def row_columns(self) -> dict[str, NDArray[Any]]:
        """Columns of the rows per case: number of truth boxes, number of boxes, highest confidence."""
        best = np.array([confidence.max(initial=-1) for _, confidence in self.boxes])
        counts = np.array([len(boxes) for boxes, _ in self.boxes], dtype=np.int64)
        return {"truths": self.truths, "boxes": counts, "confidence": np.where(best < 0, np.nan, best)}

    def sums(self, numbers: Index, blocks: Sequence[FloatArray]) -> Sums:
        """Return sums by patient from ``blocks`` (P,M) of columns over the cases ``numbers``, for resampling."""
        columns = np.concatenate(blocks, 1)
        counts = np.bincount(self.patients[numbers], minlength=len(columns)).astype(np.float64)
        whole = np.broadcast_to(counts[:, None], columns.shape)  # a scale that cancels in ratios of columns
        return Sums(columns[:, None], whole[:, None])

    def per_patient(self, numbers: Index, values: NDArray[Any]) -> FloatArray:
        """Sum values (n,) of the cases ``numbers`` by patient: (P,1)."""
        sums = np.zeros(self.patients.max(initial=-1) + 1)
        np.add.at(sums, self.patients[numbers], values)
        return sums[:, None]

    def cumulative(
        self, cases: Index, keys: FloatArray, at: FloatArray, side: Literal["left", "right"] = "left"
    ) -> FloatArray:
        """Count each patient's ``keys`` (D,) that are at most ``at`` (T,), in ascending order: (P,T).

        ``cases`` (D,) are the cases of the keys. With ``side`` right, only keys below ``at`` count.
        """
        out = np.zeros((self.patients.max(initial=-1) + 1, len(at) + 1))
        np.add.at(out, (self.patients[cases], np.searchsorted(at, keys, side)), 1)
        return out[:, :-1].cumsum(1)

    def resampled(self, each: Sequence[Sums], statistic: Callable[[Any], Any]) -> Resampled | None:
        """Resample a ``statistic`` (..., M) -> (...) of each finding's columns over patients: (F,)."""
        samples = [bootstrap_draws(sums, self.seed).over(statistic)[0] for sums in each if self.cases]
        return Resampled.join(samples) if samples else None


def _boxes(case: Case, threshold: float) -> tuple[FloatArray, FloatArray]:
    prediction, _ = case.prediction
    if isinstance(prediction, GivenBoxes):
        return prediction.boxes, prediction.confidence
    if not isinstance(prediction, Surface):
        return np.zeros((0, 4)), np.zeros(0)
    boxes, peaks = all_boxes(prediction, threshold)
    return boxes, peaks * (case.probability or 0.0)
