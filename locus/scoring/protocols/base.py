"""What all protocols share: the base class ``Protocol``, the ``Case`` that it scores, and its ``Result``.

A case is one image and one finding with a method's answer and the truth. A file of this folder defines each protocol.
The second half of this file, from ``AtThreshold`` on, is for the protocols that choose score thresholds: their columns,
scores and rows at each threshold source, and the optimism (see ``scores_with_optimism``). The thresholds are chosen in
``locus.scoring.score_thresholds``.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial, wraps
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from locus.core.frames import Alignment, Grid
from locus.core.scores import Score, ThresholdSource
from locus.core.types import FloatArray, Sample
from locus.scoring.large_maps import ByteMap, LazyMap
from locus.scoring.score_thresholds import ThresholdKey, ThresholdsBySource, at_index
from locus.scoring.statistics.resample import (
    SHARED_SUFFIX,
    CaseIndex,
    Resampled,
    by_patient,
    resample_over,
)
from locus.scoring.statistics.summary import NO_DENOMINATOR, Column, estimate, scores
from locus.scoring.surface import Surface, min_max
from locus.scoring.surface.bilinear import surface_of
from locus.scoring.surface.trace import GivenBoxes

T = TypeVar("T")
MAX_CASES_IN_MEMORY = 16
"""Number of cases whose boxes are in memory at once: a noise map of 1024×1024 has a hundred thousand boxes."""
FLAT = "flat map"
"""Reason of a miss: the map is constant. It does not count as a failure of the method."""
NO_BOX, NOT_GIVEN = "no box", "no map was given"
"""Reasons of a miss if the submitted boxes or maps do not include this image and finding."""


@dataclass(frozen=True, eq=False)
class Case:
    """One image × finding: a method's answer and the truth."""

    image_id: str
    patient_id: str
    finding: str
    map: "NDArray[np.floating[Any]] | LazyMap | None"
    """(h,w) heat map; None if the method failed. A map with NaN or infinite values also counts as failed.

    It may be scaled by any positive factor: no score depends on it.
    """
    grid: Grid | Alignment
    """Grid of the map's positions in the image, or the word ``conventional``."""
    frame: tuple[int, int]
    """(H, W) of the image as published: the frame of ``boxes``."""
    boxes: FloatArray
    """(M,4) truth boxes xyxy in ``frame``; (0,4) if the image has only boxes of other findings."""
    read_mask: Callable[[], NDArray[np.bool_]] | None = None
    """Function that returns ``mask``; None if the data set has no masks."""
    reason: str = ""
    """Why ``map`` is None, if known."""
    training: int = 0
    """Index of the training run whose network produced the map; validation thresholds apply within one run only."""
    label: float = float("nan")
    """1 if the image shows the finding (always with a truth box), 0 if not, nan if unknown."""
    probability: float | None = None
    """Classifier probability of the finding, in [0,1]; None if it was not computed."""
    submitted_boxes: FloatArray | None = None
    """(M,5) boxes xyxy in ``frame`` with confidences in [0,1]; they replace ``map``."""
    phrase: str = ""
    """Phrase of a report that the truth boxes show; empty if the data set has no phrases."""

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """(H,W) truth mask in ``frame``; None if there are only boxes."""
        return None if self.read_mask is None else self.read_mask()

    @property
    def load_surface(self) -> "tuple[Surface | None, str]":
        """Surface of the map, min-max scaled to [0,1], and ""; or None and the reason for the miss.

        It is cached for all protocols, except for a map in a file.
        """
        return _scaled(self) if isinstance(self.map, LazyMap) else self._cached_surface

    @cached_property
    def _cached_surface(self) -> "tuple[Surface | None, str]":
        return _scaled(self)

    @cached_property
    def peak(self) -> tuple[tuple[float, float] | None, str]:
        """(x, y) of the highest point, or of the best box's centre, and ""; or None and the reason for the miss.

        It is cached for all protocols, also for a map in a file.
        """
        prediction, reason = self.prediction
        return (None if prediction is None else prediction.peak), reason

    @property
    def prediction(self) -> tuple[Surface | GivenBoxes | None, str]:
        """The submitted boxes or the surface of the map, and ""; or None and the reason for the miss."""
        if self.submitted_boxes is None:
            return self.load_surface
        return (
            (GivenBoxes.from_rows(self.submitted_boxes), "")
            if len(self.submitted_boxes)
            else (None, NO_BOX)
        )


def labelled_pairs(
    samples: Sequence[Sample], findings: Sequence[str]
) -> list[tuple[Sample, str, float]]:
    """Return all pairs of image and finding with their labels."""
    return [
        (s, finding, label)
        for s in samples
        for finding, label in zip(findings, s.labels.tolist(), strict=True)
    ]


def make_case(
    sample: Sample,
    finding: str,
    label: float,
    values: NDArray[np.floating[Any]] | LazyMap | None,
    grid: Grid | Alignment,
    **more: Any,
) -> Case:
    """Make the case of one finding in an image, with its truth and map.

    Args:
        sample: the image; boxes are in its frame.
        finding: the finding; without truth boxes, the case has boxes (0,4).
        label: 0, 1 or nan.
        values: (h,w) map; None: the method failed.
        grid: positions of the map in the image.
        more: other fields of ``Case``.
    """
    boxes = sample.boxes.get(finding, np.zeros((0, 4)))
    read_mask = None if sample.read_masks is None else partial(_mask, sample, finding)
    return Case(
        image_id=sample.image_id,
        patient_id=sample.patient_id,
        finding=finding,
        map=values,
        grid=grid,
        frame=sample.frame,
        boxes=boxes,
        read_mask=read_mask,
        label=label,
        phrase=str(sample.meta.get("phrase", "")),
        **more,
    )


def _mask(sample: Sample, finding: str) -> NDArray[np.bool_]:
    """Return the truth mask (H,W) of one finding; empty if the image does not show it."""
    mask = sample.masks.get(finding)
    return np.zeros(sample.frame, dtype=bool) if mask is None else mask


Cases = Sequence[Case]


@dataclass(frozen=True)
class Result:
    """Scores of one method by a protocol."""

    scores: list[Score]
    """Per finding and ``mean``."""
    rows: list[dict[str, Any]]
    """Per case: image, patient, finding, threshold, box …; the columns depend on the protocol."""
    thresholds: Mapping[ThresholdSource, Any] = field(default_factory=dict)
    """Where thresholds were chosen -> finding -> the thresholds; can be written as JSON."""
    failed: list[tuple[str, str, str]] = field(default_factory=list)
    """(image, finding, reason) of each case without a usable map; it counts as a miss and is reported."""
    hits_by_threshold: Sequence[float] = ()
    """Main metric at each of ``CURVE_THRESHOLDS``, mean over findings; empty if the protocol has no such curve."""
    resampled: tuple[float, ...] = ()
    """Main metric in resamples of patients that choose everything again; empty if the protocol has none."""
    remark: str = ""
    """Remark for readers of the scores; stored as the record's ``reason``."""

    def __str__(self) -> str:
        """Return a line per score of the mean over findings, then the findings: value, 95% interval and n.

        Where a score has several threshold sources, only the cross-fitted one is shown.
        """
        chosen = {(score.metric, score.finding): score for score in self.scores}
        chosen |= {
            (score.metric, score.finding): score
            for score in self.scores
            if score.threshold_source == "cross-fitted"
        }
        ordered = sorted(chosen.values(), key=lambda score: score.finding != "mean")
        lines = [
            _in_words(score)
            for score in ordered
            if score.finding == "mean" or score.metric == self.scores[0].metric
        ]
        failed = (
            [f"{len(self.failed)} cases without a usable map count as misses"]
            if self.failed
            else []
        )
        return "\n".join([*lines, *failed, *filter(None, [self.remark])])

    __repr__ = __str__


def _in_words(score: Score) -> str:
    """Return one score as a line: ``mean: hit@iou.3 0.500 [0.210, 0.790], n = 12``."""
    value = score.reason or "not defined" if score.value is None else f"{score.value:.3f}"
    ends = (
        "" if score.low is None or score.high is None else f" [{score.low:.3f}, {score.high:.3f}]"
    )
    return f"{score.finding}: {score.metric} {value}{ends}, n = {score.n}"


class Protocol(ABC):
    """Base class of the protocols. A subclass sets ``name`` and ``main`` and defines ``evaluate``."""

    name: ClassVar[str]
    main: ClassVar[str]
    """Name of the main metric; in scores it ends in ``@box`` if boxes replace masks."""
    geometry: ClassVar[str] = "surface"
    """Geometry of the boxes: see ``Record.geometry``."""
    chooses_thresholds: ClassVar[bool] = False
    """True if it chooses score thresholds with the truth, and therefore uses validation cases."""
    judges: ClassVar[Literal["maps", "beside prior", "confidences", "raw", "masks"]] = "maps"
    """Input: heat maps, heat maps and other patients' boxes, boxes with confidences, unscaled values, or heat maps
    that are compared with masks and points.

    Without ``protocols:``, a suite runs those of ``maps`` only.
    """
    counts_false_alarms: ClassVar[bool] = False
    """True if it uses the maps of findings that an image does not show."""
    takes_boxes: ClassVar[bool] = False
    """True if it accepts boxes instead of maps."""

    @abstractmethod
    def evaluate(
        self, cases: Cases, findings: Sequence[str], seed: int = 0, validation: Cases = ()
    ) -> Result:
        """Score one method.

        Args:
            cases: all ``findings`` on every image with a truth box; see ``of_findings`` and ``with_truth``.
            findings: the scored findings, in the order of the scores.
            seed: seed of folds and resamples.
            validation: the method's cases on the validation split; empty if it has no truth box.
        """


def with_truth(cases: Cases) -> list[Case]:
    """Return the localization cases: image × finding pairs with at least one truth box."""
    return [case for case in cases if len(case.boxes)]


def of_findings(cases: Cases, findings: Sequence[str]) -> list[Case]:
    """Return the cases of the ``findings`` with at least one truth box."""
    return [case for case in with_truth(cases) if case.finding in findings]


def with_bar(cases: Cases) -> Iterable[Case]:
    """Return the cases, with a bar on a terminal that shows how many are done if that takes more than two seconds."""
    bar: Iterable[Case] = tqdm(
        cases, desc="score maps", unit="map", leave=False, delay=2, disable=None
    )
    return bar


def case_index(cases: Cases) -> CaseIndex:
    """Return the finding, patient and training run of the cases."""
    return CaseIndex.of(
        [c.finding for c in cases], [c.patient_id for c in cases], [c.training for c in cases]
    )


def finite_map(case: Case) -> tuple[FloatArray | None, str]:
    """Return the unscaled (h,w) map of a case, or None and the reason for the failure."""
    if case.map is None:
        return None, case.reason or "no map"
    values = np.asarray(case.map, dtype=np.float64)
    if isinstance(case.map, ByteMap) or np.isfinite(values).all():
        return values, ""
    return None, "nan or inf in the map"


def span(case: Case) -> tuple[float, float] | None:
    """Return the lowest and the highest value of the unscaled map of a case; None if it failed."""
    if isinstance(case.map, ByteMap):
        return case.map.span
    values, _ = finite_map(case)
    return None if values is None else (float(values.min()), float(values.max()))


def once_per_map(function: Callable[[Case], T]) -> Callable[[Case], T]:
    """Keep the last result of a function of a ``LazyMap``, its grid and the frame of a case; each thread has its own.

    The cases of a baseline may share one map, and a protocol may need the same of a case twice.
    """
    last = threading.local()

    @wraps(function)
    def cached(case: Case) -> T:
        if not isinstance(case.map, LazyMap):
            return function(case)
        key = (case.map, case.grid, case.frame)  # a ``LazyMap`` equals only itself
        if getattr(last, "key", None) != key:
            last.result = function(case)
            last.key = key
        result: T = last.result
        return result

    return cached


@once_per_map
def scaled_map(case: Case) -> tuple[FloatArray | None, str]:
    """Return the map (h,w) of a case, min-max scaled to [0,1], or None and the reason for the failure."""
    if isinstance(case.map, ByteMap):
        return case.map.scaled(), ""
    values, reason = finite_map(case)
    return (None if values is None else min_max(values)), reason


@once_per_map
def _scaled(case: Case) -> tuple[Surface | None, str]:
    values, reason = scaled_map(case)
    if values is None:
        return None, reason
    scaled = surface_of(values, case.frame, case.grid)
    return (None, FLAT) if scaled.flat else (scaled, "")  # all variation may be outside the frame


def batches(n_cases: int) -> Iterator[slice]:
    """Yield slices of at most ``MAX_CASES_IN_MEMORY`` cases; one empty slice if there are no cases."""
    return (
        slice(start, start + MAX_CASES_IN_MEMORY)
        for start in range(0, max(n_cases, 1), MAX_CASES_IN_MEMORY)
    )


def failures(cases: Cases, reasons: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return (image, finding, reason) of each failed case; a flat map or a missing submission is not a failure."""
    misses = ("", FLAT, NO_BOX, NOT_GIVEN)
    return [
        (c.image_id, c.finding, why)
        for c, why in zip(cases, reasons, strict=True)
        if why not in misses
    ]


def common_columns(case: Case, reason: str) -> Mapping[str, Any]:
    """Return the first columns of every row of every protocol; ``phrase`` only if the case has one."""
    columns = {"image": case.image_id, "patient": case.patient_id, "finding": case.finding}
    if case.phrase:
        columns["phrase"] = case.phrase
    columns["reason"] = reason
    return columns


def result_of(
    cases: Cases,
    reasons: Sequence[str],
    columns: Sequence[Column],
    row_columns: Mapping[str, ArrayLike],
    findings: Sequence[str],
    seed: int,
    thresholds: Mapping[ThresholdSource, Any] | None = None,
) -> Result:
    """Return the scores of some columns over the cases, their rows, and the failures.

    Args:
        cases: the N cases.
        reasons: (N,) reason why each case has no box or failed; empty if there is none.
        columns: columns (N,) that are scored.
        row_columns: name -> (N,) values in the rows per case.
        findings: findings in the order of the data set.
        seed: seed of the resamples.
        thresholds: threshold source -> its thresholds, for the record.
    """
    estimates = estimate(columns, case_index(cases), findings, seed)
    table = rows(cases, reasons, row_columns)
    return Result(scores(estimates, findings), table, thresholds or {}, failures(cases, reasons))


VALIDATION: ThresholdSource = "validation"
UNCHOSEN = "no case, or no validation case to choose its threshold on"
Oracle = tuple[str, NDArray[np.bool_] | FloatArray, FloatArray]
"""Name of a metric's optimism, numerators (N,D,T) and denominators (N,) of its oracle.

T is the number of thresholds, D the number of parts that the metric averages.
"""


class AtThreshold:
    """N cases at the thresholds chosen for one threshold source."""

    def __init__(self, key: ThresholdKey, has_threshold: NDArray[np.bool_]) -> None:
        """Store the source and ``has_threshold`` (N,); a case without a threshold does not count."""
        self.key = key
        self.has_threshold = has_threshold

    def column(
        self, metric: str, numerator: ArrayLike, denominator: ArrayLike = 1.0, is_share: bool = True
    ) -> Column:
        """Return the column of a metric at this threshold source.

        Args:
            metric: name of the metric.
            numerator: (N,) numerators.
            denominator: (N,) denominators, or one for all cases.
            is_share: whether each case has a value in [0,1]; see ``Column``.
        """
        threshold_source, suffix = self.key
        against = np.where(self.has_threshold, denominator, 0.0)
        return Column(
            metric=metric + suffix,
            threshold_source=threshold_source,
            numerator=np.where(against > 0, numerator, 0.0),
            denominator=against,
            reason=UNCHOSEN if threshold_source == VALIDATION else NO_DENOMINATOR,
            is_share=is_share,
        )


def scores_with_optimism(
    columns: Sequence[Column],
    index: CaseIndex,
    findings: Sequence[str],
    seed: int,
    oracles: Mapping[str, Oracle],
) -> list[Score]:
    """Return the scores of the columns, then oracle − cross-fitted of each metric with an oracle.

    This difference is the optimism, the gain from choosing a threshold on the scored cases themselves.

    Only the oracle of a single finding has an interval; each resample chooses a new threshold. In simulations with 120
    patients, this 95% interval covers the true share at the best threshold in 90 to 97% of runs, so read it with care.
    An interval of the mean over eight findings would cover it in only 44%, because the maximum of a resample is biased
    upwards in every finding at once. An interval of the optimism would cover the expected value in 75% (150 simulations
    each). These two have no interval, and neither has an oracle whose threshold is shared or was chosen for another
    metric.

    Args:
        columns: columns of all threshold sources.
        index: findings and patients of the cases.
        findings: findings in the order of the data set.
        seed: seed of the resamples.
        oracles: metric -> its oracle.
    """
    samples = {
        metric: _resampled(oracle, index, findings, seed)
        for metric, oracle in oracles.items()
        if len(index)
    }
    estimates = [
        replace(e, samples=samples.get(e.metric), mean_interval=False)
        if e.threshold_source == "oracle"
        else e
        for e in estimate(columns, index, findings, seed)
    ]
    by_key = {(e.metric, e.threshold_source): e for e in estimates}
    for metric, (name, *_) in oracles.items():
        for suffix in ("", SHARED_SUFFIX):
            best = by_key[metric + suffix, "oracle"]
            gap = by_key[metric + suffix, "cross-fitted"]
            estimates.append(
                replace(best, metric=name + suffix, value=best.value - gap.value, samples=None)
            )
    return scores(estimates, findings)


def _resampled(oracle: Oracle, index: CaseIndex, findings: Sequence[str], seed: int) -> Resampled:
    """Resample an oracle for each finding, with new thresholds in each resample: the mean over its D parts."""
    _, numerator, denominator = oracle
    flat = numerator.reshape(len(numerator), -1).astype(np.float64)
    sums = by_patient(
        flat,
        np.repeat(denominator[:, None], flat.shape[1], 1),
        index.findings,
        index.patients,
        findings,
    )
    draws_shape = numerator.shape[1:]
    return resample_over(
        sums, lambda values: values.reshape(*values.shape[:-1], *draws_shape).max(-1).mean(-1), seed
    )


def at_sources(
    chosen: ThresholdsBySource, **tables: NDArray[np.generic]
) -> dict[ThresholdKey, dict[str, FloatArray]]:
    """Return, for each threshold source, the values (N,) of the ``tables`` (N,T) at each case's chosen index."""
    return {
        key: {name: at_index(table, indices) for name, table in tables.items()}
        for key, indices in chosen.items()
    }


def other_sources(
    columns: Mapping[ThresholdKey, Mapping[str, FloatArray]],
) -> dict[str, FloatArray]:
    """Return the row columns of the other sources, such as ``threshold_oracle``, ``iou_oracle``.

    A threshold for all findings has columns only if it is cross-fitted. All rows of a protocol have the same columns:
    those of ``validation`` are empty without validation cases.
    """
    of_first_source = next(iter(columns.values()))
    never = {name: np.full(len(column), np.nan) for name, column in of_first_source.items()}
    by_name = {}
    for key in dict.fromkeys([*columns, (VALIDATION, "")]):
        threshold_source, suffix = key
        if suffix and threshold_source != "cross-fitted":
            continue
        for name, column in columns.get(key, never).items():
            by_name[f"{name}_{threshold_source}{suffix}"] = column
    return by_name


def rows(
    cases: Sequence[Case], reasons: Sequence[str], columns: Mapping[str, ArrayLike]
) -> list[dict[str, Any]]:
    """Return one row per case: the common columns, then the (N,) ``columns`` as plain numbers, None for nan."""
    plain = [
        [None if value != value else value for value in np.asarray(values).tolist()]
        for values in columns.values()
    ]
    own_values = (dict(zip(columns, values, strict=True)) for values in zip(*plain, strict=True))
    begun = map(common_columns, cases, reasons)
    return [{**begin, **values} for begin, values in zip(begun, own_values, strict=True)]
