"""What a map adds to knowing where a finding usually is: hits of map and ``prior`` together minus those of ``prior``.

For each case, C = a·M + (1 − a)·P. M is the map and P the map of ``prior``, each scaled to [0,1] on its own grid. The
weight a is one of ``WEIGHTS``, the same for all findings. Between 0 and 1, C is bilinear on the finer of the two grids.
At 0 and 1 nothing is blended, so C is P or M itself. The box of C is that of ``single_box``.

``Blends``   the boxes of all cases at all weights and thresholds
``Choice``   the weight and the thresholds of each case
``Added``    the protocol: weight and thresholds are chosen on other patients, and again in each resample of patients
``Fitted``   the same with a weight, thresholds and maps of ``prior`` that another suite chose
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import NormalDist
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from locus.core.errors import NotAvailableError
from locus.core.frames import box_coverage, interpolation_weights, ratio
from locus.core.names import ADDED
from locus.core.scores import Score, ThresholdSource
from locus.core.types import FloatArray, patient_folds
from locus.scoring import rechosen, score_thresholds
from locus.scoring.protocols import base
from locus.scoring.protocols.base import Case, Cases, Result
from locus.scoring.protocols.single_box import IOU
from locus.scoring.score_thresholds import (
    COMPARED_DECIMALS,
    CROSS_FITTED,
    FITTED,
    FOLD_COUNT,
    ThresholdKey,
)
from locus.scoring.statistics import resample
from locus.scoring.statistics.resample import CaseIndex
from locus.scoring.statistics.summary import Column, estimate, scores
from locus.scoring.surface import Surface, min_max, surface
from locus.scoring.surface.batch import Traces, TruthBoxes
from locus.scoring.surface.trace import EMPTY, Trace, trace

WEIGHTS = np.arange(11) / 10
"""(11,) weights of the map."""
PRIOR_ALONE, MAP_ALONE = 0, len(WEIGHTS) - 1
"""Indices of the weights at which C is P or M."""
PRIOR_SIDE = 32
"""Positions along each side of the map of ``prior``."""
MIN_OTHER_PATIENTS = 5
"""Smallest number of other patients whose boxes make the map of ``prior``."""
THRESHOLDS = (np.arange(200) + 0.5) / 200
"""(T,) score thresholds, the middles of equal steps from 0 to 1."""
RESAMPLED_STEP = 2
"""Each resample chooses among every second threshold: with all of them, a row would take a tenth longer."""
CASES_PER_BLOCK = 64
"""Number of cases whose boxes at all weights and thresholds are in memory at a time."""
RESAMPLE_DECIMALS = 4
ALONE, COMBINED, WEIGHT = "alone", "combined", "weight"
METRICS_OF_TOTALS = (COMBINED, ADDED, ALONE, WEIGHT)
Mask = NDArray[np.bool_]
Index = NDArray[np.int64]
ChosenByFinding = Mapping[str, Mapping[str, Sequence[float]]]
"""Finding -> ``weight`` and the thresholds ``combined``, ``prior`` and ``alone``, as stored in a record."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Choice:
    """The weight and the score thresholds of N cases; nan for a case that is not scored."""

    weight: Index
    """(N,) index in ``WEIGHTS``."""
    combined: FloatArray
    """(N,) threshold of C at this weight."""
    prior: FloatArray
    """(N,) threshold of P."""
    alone: FloatArray
    """(N,) threshold of M."""


class Added(base.Protocol):
    """How many cases more the map hits together with ``prior`` than ``prior`` alone; mean over findings (``added``).

    C = a·M + (1 − a)·P is a weighted mean of the map M and of ``prior`` P, the mean of other patients' boxes, each
    scaled to [0,1]. The weight a is one of 0, .1 … 1, the same for all findings. It is chosen with one score threshold
    per finding on the patients of other folds, by the mean over findings of hits at IoU > .3. Ties go to the larger
    mean IoU, then to the smaller weight. The box of C is that of ``single_box``. ``combined`` is the share of hits of
    C, ``added`` the same minus that of P with thresholds of its own, ``alone`` that of M, ``weight`` the mean of a.
    Each resample of patients chooses the weight and the thresholds again. A map with NaN is a miss and is never
    blended. A finding without boxes of five other patients has no score.
    """

    name = "added"
    main = "added"
    judges = "beside prior"
    row_source: ClassVar[ThresholdKey] = CROSS_FITTED
    """Threshold source of the rows per case."""

    def evaluate(
        self, cases: Cases, findings: Sequence[str], seed: int = 0, validation: Cases = ()
    ) -> Result:
        """Return the metrics, one row per case, and the main metric in resamples that choose everything again.

        Raises ``NotAvailableError`` if there are cases, but no finding has boxes of five other patients.
        """
        scored = base.of_findings(cases, findings)
        index = base.case_index(scored)
        folds = patient_folds(index.patients.tolist(), FOLD_COUNT, seed)
        lacking = self.lacking(index, folds)
        if scored and len(lacking) == len(np.unique(index.findings)):
            raise NotAvailableError(next(iter(lacking.values())))
        is_scored = ~np.isin(index.findings, [*lacking])
        blends = Blends(scored, self.priors(scored, index, folds), is_scored)
        choice, totals = self.choose(blends, index, folds)
        rows = blends.columns(choice)
        values = _values(rows)
        columns = [
            self._column(name, values[name], is_scored) for name in (ALONE, COMBINED, ADDED, WEIGHT)
        ]
        estimates = estimate(columns, index, findings, seed)
        without_samples = [replace(entry, samples=None) for entry in estimates]
        shares = {name: totals[name] for name in findings if name in totals}
        results = [
            _with_interval(_with_reason(score, lacking), shares, index)
            for score in scores(without_samples, findings)
        ]
        resampled = []
        if shares:
            resampled = _resamples("mean", ADDED, shares).round(RESAMPLE_DECIMALS).tolist()
        return Result(
            results,
            base.rows(scored, blends.reasons, rows),
            self.thresholds(blends, index, choice),
            base.failures(scored, blends.reasons),
            remark="; ".join(lacking.values()),
            resampled=tuple(resampled),
        )

    def _column(self, name: str, values: FloatArray, is_scored: Mask) -> Column:
        return Column(
            name, self.row_source[0], np.where(is_scored, values, 0.0), is_scored.astype(np.float64)
        )

    def lacking(self, index: CaseIndex, folds: Index) -> dict[str, str]:
        """Return each finding without boxes of enough other patients -> the reason why it has no score."""
        reasons = {}
        for finding, mask in index.groups(shared=False).items():
            patient_counts = [
                np.unique(index.patients[mask & (folds != fold)]).size
                for fold in np.unique(folds[mask])
            ]
            if min(patient_counts) < MIN_OTHER_PATIENTS:
                reasons[finding] = (
                    f"{finding} has boxes of {min(patient_counts)} other patients: {ADDED} needs at least "
                    f"{MIN_OTHER_PATIENTS}"
                )
        return reasons

    def priors(self, cases: Cases, index: CaseIndex, folds: Index) -> list[NDArray[np.float32]]:
        """Return the map of ``prior`` (side,side) of each case; the cases of a fold and finding share one array."""
        maps: list[NDArray[np.float32]] = [np.zeros((PRIOR_SIDE, PRIOR_SIDE), np.float32)] * len(
            cases
        )
        for mask in index.groups(shared=False).values():
            drawn = {
                n: box_coverage(cases[n].boxes, cases[n].frame, (PRIOR_SIDE, PRIOR_SIDE))
                for n in np.flatnonzero(mask).tolist()
            }
            for fold in np.unique(folds[mask]):
                maps_of_other_folds = [
                    coverage.astype(np.float32) for n, coverage in drawn.items() if folds[n] != fold
                ]
                if maps_of_other_folds:
                    fold_map = np.mean(maps_of_other_folds, axis=0)
                    for n in np.flatnonzero(mask & (folds == fold)).tolist():
                        maps[n] = fold_map
        return maps

    def choose(
        self, blends: "Blends", index: CaseIndex, folds: Index
    ) -> tuple[Choice, dict[str, "Totals"]]:
        """Return the choice for each case on the other folds, and the totals of resamples that make it again."""
        fold_masks = [(folds == fold, folds != fold) for fold in np.unique(folds)]
        return blends.choose(index, fold_masks), blends.chosen_again(index, folds)

    def thresholds(
        self, blends: "Blends", index: CaseIndex, choice: Choice
    ) -> dict[ThresholdSource, ChosenByFinding]:
        """Return source -> finding -> weight and thresholds; ``oracle`` are those that all cases choose."""
        everywhere = np.ones(len(index), dtype=bool)
        oracle = blends.choose(index, [(everywhere, everywhere)]) if len(index) else choice
        return {
            self.row_source[0]: _by_finding(choice, index),
            "oracle": _by_finding(oracle, index),
        }


@dataclass(frozen=True, eq=False)
class Fitted(Added):
    """``added`` with what another suite chose on all its cases; nothing is chosen on the scored cases."""

    chosen: ChosenByFinding
    maps: Mapping[str, NDArray[np.float32]]
    """Finding -> the map of ``prior`` (side,side): the mean of the other suite's boxes."""
    row_source: ClassVar[ThresholdKey] = FITTED

    def lacking(self, index: CaseIndex, folds: Index) -> dict[str, str]:
        """Return each finding without a choice -> the reason why it has no score."""
        absent = [
            str(name)
            for name in np.unique(index.findings)
            if not self.chosen.get(str(name), {}).get(WEIGHT)
        ]
        return {name: f"the other suite has no weight and thresholds of {name}" for name in absent}

    def priors(self, cases: Cases, index: CaseIndex, folds: Index) -> list[NDArray[np.float32]]:
        """Return the map of ``prior`` (side,side) of each case."""
        return [self.maps[case.finding] for case in cases]

    def choose(
        self, blends: "Blends", index: CaseIndex, folds: Index
    ) -> tuple[Choice, dict[str, "Totals"]]:
        """Return the given choice, and the totals of resamples in which it stays."""
        choice = Choice(
            weight=np.rint(np.nan_to_num(self._of(WEIGHT, index)) * 10).astype(np.int64),
            combined=self._of(COMBINED, index),
            prior=self._of("prior", index),
            alone=self._of(ALONE, index),
        )
        return choice, _with_fixed_values(_values(blends.columns(choice)), index)

    def _of(self, name: str, index: CaseIndex) -> FloatArray:
        """Return a number of the choice for each case (N,); nan without one."""
        values = {
            finding: numbers[name][0]
            for finding, numbers in self.chosen.items()
            if numbers.get(name)
        }
        return score_thresholds.of_findings(values, index)

    def thresholds(
        self, blends: "Blends", index: CaseIndex, choice: Choice
    ) -> dict[ThresholdSource, ChosenByFinding]:
        """Return the given weight and thresholds of the scored findings."""
        return {self.row_source[0]: _by_finding(choice, index)}


@dataclass(frozen=True, eq=False)
class Placed:
    """Map and prior of one case, each scaled to [0,1], and both on the finer of their grids."""

    heat: Surface
    """The map on its grid."""
    shared: tuple[FloatArray, FloatArray]
    """(h,w) values of map and prior at the vertices of ``finer``."""
    finer: Surface

    @classmethod
    def of(cls, heat: Surface, prior: Surface) -> "Placed":
        """Place both on the grid with more positions; if they are equal, on that of the map."""
        finer = prior if prior.values.size > heat.values.size else heat
        return cls(heat, (_values_at(heat, finer), _values_at(prior, finer)), finer)

    def traces(self, of_prior: Trace) -> Iterator[Trace]:
        """Yield the trace of C at each of ``WEIGHTS``; ``of_prior`` is that of P alone."""
        yield of_prior
        values, prior = self.shared
        for weight in WEIGHTS[1:MAP_ALONE]:
            yield trace(replace(self.finer, values=weight * values + (1 - weight) * prior))
        yield trace(self.heat)


def _values_at(source: Surface, target: Surface) -> FloatArray:
    """Return the values (h,w) of a surface at the vertices of another one."""
    if source is target:
        return source.values
    rows, columns = (
        interpolation_weights(source.y, target.y),
        interpolation_weights(source.x, target.x),
    )
    return np.clip(rows @ source.values @ columns.T, *source.span)


class Blends:
    """The boxes of N cases at all weights and thresholds.

    A candidate is a case at a weight; case n at weight k is candidate 11·n + k of the ``traces``.
    """

    def __init__(
        self, cases: Cases, priors: Sequence[NDArray[np.float32]], is_scored: Mask
    ) -> None:
        """Trace C of the ``cases`` with the maps ``priors`` at all weights; only those of ``is_scored`` (N,)."""
        self.is_scored = is_scored
        self.reasons: list[str] = []
        self.is_valid = np.ones(len(cases), dtype=bool)
        """(N,) False if the method failed: C is a miss at all weights."""
        self.traces = Traces(self._candidates(cases, priors))
        self.truth = TruthBoxes.from_boxes([case.boxes for case in cases])

    def _candidates(self, cases: Cases, priors: Sequence[NDArray[np.float32]]) -> Iterator[Trace]:
        shared: dict[tuple[int, tuple[int, int]], tuple[Surface, Trace]] = {}
        for n, (case, values) in enumerate(zip(base.with_bar(cases), priors, strict=True)):
            key = id(values), case.frame
            if key not in shared:
                heat = surface(min_max(values), case.frame, "conventional")
                shared[key] = heat, trace(heat)
            yield from self._traces(n, case, *shared[key])

    def _traces(self, n: int, case: Case, prior: Surface, of_prior: Trace) -> Iterable[Trace]:
        """Return the traces of a case at all weights."""
        heat, reason = case.load_surface
        self.reasons.append(reason)
        if not self.is_scored[n]:
            return [EMPTY] * len(WEIGHTS)
        if heat is None:
            # a flat map changes no order of positions: C is P
            self.is_valid[n] = reason == base.FLAT
            blended = of_prior if self.is_valid[n] else EMPTY
            return [of_prior, *[blended] * (MAP_ALONE - 1), EMPTY]
        return Placed.of(heat, prior).traces(of_prior)

    @cached_property
    def iou(self) -> FloatArray:
        """(N,12,T) IoU at all thresholds: of C at each weight, 0 if the method failed, then of P."""
        out = np.zeros((len(self.is_valid), len(WEIGHTS) + 1, len(THRESHOLDS)))
        for start in range(0, len(out), CASES_PER_BLOCK):
            block = out[start : start + CASES_PER_BLOCK, : len(WEIGHTS)]
            candidates = start * len(WEIGHTS) + np.arange(block.shape[0] * len(WEIGHTS))
            boxes = self.traces.boxes(candidates, np.tile(THRESHOLDS, (len(candidates), 1)))
            case = np.repeat(candidates // len(WEIGHTS), len(THRESHOLDS))
            block[...] = self.truth.overlaps(boxes.reshape(-1, 4), case)[0].reshape(block.shape)
        out[:, -1] = out[:, PRIOR_ALONE]
        out[~self.is_valid, : len(WEIGHTS)] = 0
        return out

    def groups(self, index: CaseIndex) -> dict[str, Mask]:
        """Return finding -> mask (N,) of its cases; without findings that are not scored."""
        groups = index.groups(shared=False).items()
        return {name: mask for name, mask in groups if (mask & self.is_scored).any()}

    def choose(self, index: CaseIndex, fold_masks: Sequence[tuple[Mask, Mask]]) -> Choice:
        """Return the choice for the cases of the first mask of each fold, made on those of its second mask."""
        count = len(index)
        choice = Choice(
            weight=np.zeros(count, dtype=np.int64),
            combined=np.full(count, np.nan),
            prior=np.full(count, np.nan),
            alone=np.full(count, np.nan),
        )
        groups = self.groups(index)
        for cases, chosen_on in fold_masks:
            best = {
                name: _best(self.iou[mask & chosen_on])
                for name, mask in groups.items()
                if (mask & chosen_on).any()
            }
            if not best:
                continue
            _, hits, quality = np.mean([*best.values()], axis=0).round(COMPARED_DECIMALS)
            weight = np.lexsort((-quality[: len(WEIGHTS)], -hits[: len(WEIGHTS)]))[
                0
            ]  # stable: then the smaller one
            choice.weight[cases] = weight
            for name, (thresholds, _, _) in best.items():
                scored = cases & groups[name]
                choice.combined[scored] = thresholds[weight]
                choice.prior[scored] = thresholds[-1]
                choice.alone[scored] = thresholds[MAP_ALONE]
        return choice

    def boxes(self, weight: int | Index, thresholds: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the boxes (N,4) of the cases at a weight and threshold each, and their IoU (N,), 0 without a box."""
        cases = np.arange(len(thresholds))
        boxes = self.traces.boxes(cases * len(WEIGHTS) + weight, thresholds[:, None])[:, 0]
        return boxes, self.truth.overlaps(boxes, cases)[0]

    def columns(self, choice: Choice) -> dict[str, FloatArray]:
        """Return the columns (N,) of the rows per case: weight, and the thresholds, boxes and IoU of C, P and M."""
        boxes, iou = self.boxes(choice.weight, choice.combined)
        boxes[~self.is_valid] = np.nan
        edges = dict(zip(("x0", "y0", "x1", "y1"), boxes.T, strict=True))
        of_prior = {
            "threshold_prior": choice.prior,
            "iou_prior": self.boxes(PRIOR_ALONE, choice.prior)[1],
        }
        of_map = {
            "threshold_alone": choice.alone,
            "iou_alone": self.boxes(MAP_ALONE, choice.alone)[1],
        }
        weight = np.where(self.is_scored, WEIGHTS[choice.weight], np.nan)
        return {
            WEIGHT: weight,
            "threshold": choice.combined,
            **edges,
            "iou": iou * self.is_valid,
            **of_prior,
            **of_map,
        }

    def chosen_again(self, index: CaseIndex, folds: Index) -> dict[str, "Totals"]:
        """Return finding -> the totals of resamples that choose the weight and the thresholds again on other folds."""
        times = rechosen.drawn(index)
        numbers = np.unique(folds)
        of_findings = {
            name: _choose_thresholds_again(
                self.iou[mask, :, ::RESAMPLED_STEP], times[:, mask], folds[mask][:, None] == numbers
            )
            for name, mask in self.groups(index).items()
        }
        if not of_findings:
            return {}
        hits, quality = (
            resample.mean(np.stack(values), 0)
            for values in zip(*(a.score for a in of_findings.values()), strict=True)
        )
        score = hits[..., : len(WEIGHTS)].round(6) + 1e-7 * quality[..., : len(WEIGHTS)]
        weight = np.nan_to_num(score, nan=-1.0).argmax(-1)  # (folds,B)
        return {name: again.totals(weight) for name, again in of_findings.items()}


def _best(iou: FloatArray) -> FloatArray:
    """Return, for each of 12 candidates, the best threshold of n cases with IoU (n,12,T), its hits and IoU: (3,12).

    The hits are the share of cases; ties go to the larger mean IoU, then to the lower threshold.
    """
    hits = (iou > IOU).mean(0)
    quality = iou.mean(0).round(COMPARED_DECIMALS)
    threshold_index = np.where(hits == hits.max(-1, keepdims=True), quality, -np.inf).argmax(-1)
    candidates = np.arange(len(threshold_index))
    return np.stack(
        [
            THRESHOLDS[threshold_index],
            hits[candidates, threshold_index],
            quality[candidates, threshold_index],
        ]
    )


@dataclass(frozen=True, eq=False)
class ChosenAgain:
    """The thresholds of one finding, chosen again on other folds in B resamples at 12 candidates (weights, then P)."""

    score: tuple[FloatArray, FloatArray]
    """(folds,B,12) share of hits on the other folds, and mean IoU."""
    hits: FloatArray
    """(folds,B,12) hits on the fold itself."""
    cases: FloatArray
    """(folds,B) drawn cases of the fold."""

    def totals(self, weight: Index) -> "Totals":
        """Return the totals over folds with the ``weight`` (folds,B) chosen for each."""
        combined = np.take_along_axis(self.hits, weight[..., None], axis=-1)[..., 0].sum(0)
        prior = self.hits[..., -1].sum(0)
        alone = self.hits[..., MAP_ALONE].sum(0)
        weights = (WEIGHTS[weight] * self.cases).sum(0)
        return Totals(combined, combined - prior, alone, weights, self.cases.sum(0))


def _choose_thresholds_again(
    iou: FloatArray, times: NDArray[np.float32], is_in_fold: Mask
) -> ChosenAgain:
    """Choose the thresholds of each fold of one finding on the other folds, in all resamples.

    ``iou`` (n,12,T), ``times`` (B,n), ``is_in_fold`` (n,folds). Each fold is counted once per resample; the counts of
    the other folds are the difference from the sum. Hits and IoU are added in one number: the IoU is the fraction.
    """
    iou_weight = 0.5 / max(times.sum(1).max(), 1)  # so the fraction stays below 1
    values = ((iou > IOU) + iou_weight * iou).reshape(len(iou), -1).astype(np.float32)
    shape = len(times), *iou.shape[1:]
    counts = np.stack([(times[:, mask] @ values[mask]).reshape(shape) for mask in is_in_fold.T])
    cases = np.stack([times[:, mask].sum(1) for mask in is_in_fold.T]).astype(np.float64)
    of_others = counts.sum(0) - counts
    threshold = of_others.argmax(-1)[..., None]
    most, tested = (
        np.take_along_axis(counts_of_cases, threshold, axis=-1)[..., 0].astype(np.float64)
        for counts_of_cases in (of_others, counts)
    )
    hits = np.floor(
        most + iou_weight / 8
    )  # the counts are sums and differences of single precision
    whole = np.broadcast_to((cases.sum(0) - cases)[..., None], most.shape)
    score = ratio(hits, whole), ratio((most - hits) / iou_weight, whole)
    return ChosenAgain(score, np.floor(tested + iou_weight / 8), cases)


@dataclass(frozen=True, eq=False)
class Totals:
    """Sums over the drawn cases of one finding in B resamples."""

    combined: FloatArray
    """(B,) hits of C."""
    added: FloatArray
    """(B,) hits of C minus hits of P."""
    alone: FloatArray
    """(B,) hits of M."""
    weight: FloatArray
    """(B,) sum of the weights."""
    cases: FloatArray
    """(B,) drawn cases."""

    def share(self, name: str) -> FloatArray:
        """Return the metric (B,); nan in a resample without a case."""
        return np.asarray(
            ratio(getattr(self, name).astype(np.float64), self.cases.astype(np.float64))
        )


def _values(rows: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Return metric -> values (N,) from the columns of the rows: hits of M, of C, of C minus those of P, the weight."""
    alone, combined, prior = (
        (rows[name] > IOU).astype(np.float64) for name in ("iou_alone", "iou", "iou_prior")
    )
    return {ALONE: alone, COMBINED: combined, ADDED: combined - prior, WEIGHT: rows[WEIGHT]}


def _with_fixed_values(values: Mapping[str, FloatArray], index: CaseIndex) -> dict[str, Totals]:
    """Return finding -> the totals of the same resamples with the ``values`` (N,) of a choice that stays."""
    if not len(index):
        return {}
    times = rechosen.drawn(index)
    groups = index.groups(shared=False).items()
    totals = {}
    for finding, mask in groups:
        combined, added, alone, weight = (
            times[:, mask] @ values[name][mask] for name in METRICS_OF_TOTALS
        )
        totals[finding] = Totals(combined, added, alone, weight, times[:, mask].sum(1))
    return totals


def _resamples(finding: str, metric: str, totals: Mapping[str, Totals]) -> FloatArray:
    """Return a metric of a finding, or the mean over findings with a drawn case, in each resample (B,)."""
    if finding != "mean":
        return totals[finding].share(metric)
    return np.nan_to_num(
        resample.mean(np.stack([of_finding.share(metric) for of_finding in totals.values()]), 0)
    )


def _with_interval(score: Score, totals: Mapping[str, Totals], index: CaseIndex) -> Score:
    """Return the score with its 95% interval, from the standard deviation of its resamples; none below 10 patients.

    Percentiles are not used: a resample has fewer different patients on which to choose, so it scores less. Without
    any spread, only a difference has an interval.
    """
    of_finding = np.isin(index.findings, [*totals] if score.finding == "mean" else [score.finding])
    if score.value is None or np.unique(index.patients[of_finding]).size < resample.MIN_PATIENTS:
        return score
    error = float(np.nanstd(_resamples(score.finding, score.metric, totals), ddof=1))
    if error == 0 and score.metric != ADDED:
        return score
    reach = NormalDist().inv_cdf((1 + resample.LEVEL) / 2) * error
    low, high = np.clip(
        [score.value - reach, score.value + reach], -1 if score.metric == ADDED else 0, 1
    ).tolist()
    return Score(*score._replace(low=low, high=high))  # rounded


def _with_reason(score: Score, lacking: Mapping[str, str]) -> Score:
    """Return the score with the reason why its finding has none; that of the mean names the findings left out."""
    if score.finding == "mean":
        return score._replace(reason="; ".join(lacking.values())) if lacking else score
    return score._replace(reason=lacking[score.finding]) if score.finding in lacking else score


def _by_finding(choice: Choice, index: CaseIndex) -> dict[str, dict[str, list[float]]]:
    """Return finding -> the distinct weights and thresholds of its cases, ascending; none if it is not scored."""
    columns: dict[str, Any] = {
        COMBINED: choice.combined,
        "prior": choice.prior,
        ALONE: choice.alone,
    }
    columns = {
        WEIGHT: np.where(np.isfinite(choice.combined), WEIGHTS[choice.weight], np.nan),
        **columns,
    }
    return {
        finding: {
            name: np.unique(values[mask & np.isfinite(values)].round(6)).tolist()
            for name, values in columns.items()
        }
        for finding, mask in index.groups(shared=False).items()
    }
