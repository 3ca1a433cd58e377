"""What a map adds to knowing where a finding usually is: hits of map and ``prior`` together minus those of ``prior``.

For each case, C = a·M + (1 − a)·P. M is the map and P the map of ``prior``, each scaled to [0,1] on its own grid. The
weight a is one of ``WEIGHTS``, the same for all findings. Between 0 and 1, C is bilinear on the finer of the two grids.
At 0 and 1 nothing is blended, so C is P or M itself. The box of C is that of ``single_box``.

``Added``    the protocol: weight and thresholds are chosen on other patients, and again in each resample of patients
``Fitted``   the same with a weight, thresholds and maps of ``prior`` that another suite chose
``Blends``   the boxes of all cases at all weights and thresholds

``groups`` is finding -> mask (N,) of its cases, for each of the F findings that are scored.
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
from locus.core.names import ADDED, ALONE, COMBINED, PRIOR, WEIGHT
from locus.core.scores import Score, ThresholdSource
from locus.core.types import FloatArray, patient_folds
from locus.scoring import rechosen
from locus.scoring.protocols import base
from locus.scoring.protocols.base import Cases, Result
from locus.scoring.protocols.single_box import IOU
from locus.scoring.score_thresholds import (
    COMPARED_DECIMALS,
    CROSS_FITTED,
    FITTED,
    FOLD_COUNT,
    Mask,
    ThresholdKey,
    at_index,
)
from locus.scoring.statistics import resample
from locus.scoring.statistics.resample import CaseIndex
from locus.scoring.statistics.summary import estimate, scores
from locus.scoring.surface import Surface, min_max, surface
from locus.scoring.surface.batch import Index, Traces, TruthBoxes
from locus.scoring.surface.trace import EMPTY, Trace, trace, traces_of_means

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
RESAMPLE_DECIMALS = 4
METRICS = (ALONE, COMBINED, ADDED, WEIGHT)
CHOSEN = (WEIGHT, COMBINED, PRIOR, ALONE)
"""What is chosen: the weight, and the score thresholds of C, P and M."""
Groups = Mapping[str, Mask]
Values = Mapping[str, FloatArray]
"""Metric -> the value of each case (N,), or its sums over the drawn cases of each finding in each resample (F,B)."""
ChosenByFinding = Mapping[str, Mapping[str, Sequence[float]]]
"""Finding -> the numbers ``CHOSEN``, as stored in a record."""


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
        groups = index.groups(shared=False)
        for finding in lacking:
            del groups[finding]
        remark = "; ".join(lacking.values())
        if lacking and not groups:
            raise NotAvailableError(remark)
        blends = Blends(scored, self.priors(scored, groups, folds), groups, folds)
        choices = self.choose(blends)
        rows = blends.columns(choices[self.row_source[0]])
        values = _values(rows)
        is_scored = np.isfinite(rows[WEIGHT])
        at_choice = base.AtThreshold(self.row_source, is_scored)
        columns = [at_choice.column(name, values[name]) for name in METRICS]
        estimates = estimate(columns, index, findings, seed)
        without_samples = [replace(entry, samples=None) for entry in estimates]
        resamples = {}
        resampled = []
        if groups:
            times = rechosen.drawn(index)
            resamples = _shares(self.totals(blends, times, values), groups, times)
            resampled = resamples[ADDED]["mean"].round(RESAMPLE_DECIMALS).tolist()
        reasons = {**lacking, "mean": remark}
        masks = {**groups, "mean": is_scored}
        patients = {name: np.unique(index.patients[mask]).size for name, mask in masks.items()}
        results = []
        for score in scores(without_samples, findings):
            with_reason = score._replace(reason=reasons.get(score.finding) or score.reason)
            results.append(_with_interval(with_reason, resamples, patients.get(score.finding, 0)))
        return Result(
            results,
            base.rows(scored, blends.reasons, rows),
            {source: _by_finding(choice, index) for source, choice in choices.items()},
            base.failures(scored, blends.reasons),
            remark=remark,
            resampled=tuple(resampled),
        )

    def lacking(self, index: CaseIndex, folds: Index) -> dict[str, str]:
        """Return each finding without boxes of enough other patients -> the reason why it has no score."""
        reasons = {}
        for finding, mask in index.groups(shared=False).items():
            other_patients = [
                index.patients[mask & (folds != fold)] for fold in np.unique(folds[mask])
            ]
            count = min(np.unique(patients).size for patients in other_patients)
            if count < MIN_OTHER_PATIENTS:
                noun = "patient" if count == 1 else "patients"
                reasons[finding] = (
                    f"{finding} has boxes of {count} other {noun}: {ADDED} needs at least "
                    f"{MIN_OTHER_PATIENTS}"
                )
        return reasons

    def priors(
        self, cases: Cases, groups: Groups, folds: Index
    ) -> Iterable[NDArray[np.floating[Any]]]:
        """Return the map of ``prior`` (side,side) of each case: the mean of other patients' boxes; 0 if not scored."""
        shape = PRIOR_SIDE, PRIOR_SIDE
        drawn = np.zeros((len(cases), *shape), dtype=np.float32)
        for n, case in enumerate(cases):
            drawn[n] = box_coverage(case.boxes, case.frame, shape)
        maps = np.zeros_like(drawn)
        for mask in groups.values():
            for fold in np.unique(folds[mask]):
                maps[mask & (folds == fold)] = drawn[mask & (folds != fold)].mean(0)
        return maps

    def choose(self, blends: "Blends") -> dict[ThresholdSource, FloatArray]:
        """Return the numbers ``CHOSEN`` (4,N) for each case: chosen on other folds, and on all cases (``oracle``)."""
        folds = blends.folds
        by_fold = [(folds == fold, folds != fold) for fold in np.unique(folds)]
        everywhere = np.ones(len(folds), dtype=bool)
        return {
            "cross-fitted": _chosen(blends, by_fold),
            "oracle": _chosen(blends, [(everywhere, everywhere)]),
        }

    def totals(self, blends: "Blends", times: NDArray[np.float32], values: Values) -> Values:
        """Return the sums (F,B) in resamples that choose the weight and the thresholds again on other folds.

        ``times`` (B,N): how often each case is drawn. ``values``: those of all patients, whose choice does not stay.
        """
        in_fold = blends.folds == np.unique(blends.folds)[:, None]
        of_findings = [
            _choose_thresholds_again(
                blends.iou[mask, :, ::RESAMPLED_STEP], times[:, mask], in_fold[:, mask]
            )
            for mask in blends.groups.values()
        ]
        hits_of_others, iou_of_others, hits, cases = (
            np.stack(arrays) for arrays in zip(*of_findings, strict=True)
        )
        share = resample.mean(hits_of_others, 0).round(6)
        score = share + 1e-7 * resample.mean(iou_of_others, 0)
        weight = np.nan_to_num(score[..., : len(WEIGHTS)], nan=-1.0).argmax(-1)  # (folds,B)
        combined = np.take_along_axis(hits, weight[None, ..., None], axis=-1)[..., 0]
        sums = {
            ALONE: hits[..., MAP_ALONE],
            COMBINED: combined,
            ADDED: combined - hits[..., -1],
            WEIGHT: WEIGHTS[weight] * cases,
        }
        return {name: of_folds.sum(1) for name, of_folds in sums.items()}


@dataclass(frozen=True, eq=False)
class Fitted(Added):
    """``added`` with what another suite chose on all its cases; nothing is chosen on the scored cases."""

    chosen: ChosenByFinding
    maps: Mapping[str, NDArray[np.float32]]
    """Finding -> the map of ``prior`` (side,side): the mean of the other suite's boxes."""
    row_source: ClassVar[ThresholdKey] = FITTED

    def lacking(self, index: CaseIndex, folds: Index) -> dict[str, str]:
        """Return each finding without a choice -> the reason why it has no score."""
        return {
            finding: f"the other suite has no weight and thresholds of {finding}"
            for finding in np.unique(index.findings).tolist()
            if not self.chosen.get(finding, {}).get(WEIGHT)
        }

    def priors(
        self, cases: Cases, groups: Groups, folds: Index
    ) -> Iterable[NDArray[np.floating[Any]]]:
        """Return the map of ``prior`` (side,side) of each case."""
        return [self.maps[case.finding] for case in cases]

    def choose(self, blends: "Blends") -> dict[ThresholdSource, FloatArray]:
        """Return the given numbers ``CHOSEN`` (4,N) for each case."""
        choice = np.full((len(CHOSEN), len(blends.folds)), np.nan)
        for finding, mask in blends.groups.items():
            numbers = self.chosen[finding]
            choice[:, mask] = [numbers[name] for name in CHOSEN]
        return {"fitted": choice}

    def totals(self, blends: "Blends", times: NDArray[np.float32], values: Values) -> Values:
        """Return the sums (F,B) in resamples that keep the choice."""
        masks = blends.groups.values()
        return {
            name: np.stack([times[:, mask] @ of_cases[mask] for mask in masks])
            for name, of_cases in values.items()
        }


class Blends:
    """The boxes of N cases at all weights and thresholds, with the findings and folds of the cases.

    A candidate is a case at a weight; case n at weight k is candidate 11·n + k of the ``traces``.
    """

    def __init__(
        self,
        cases: Cases,
        priors: Iterable[NDArray[np.floating[Any]]],
        groups: Groups,
        folds: Index,
    ) -> None:
        """Trace C of the ``cases`` with the maps ``priors`` (side,side) at all weights; ``folds`` (N,)."""
        self.groups = groups
        self.folds = folds
        self.reasons: list[str] = []
        """(N,) reason why a case has no usable map; empty if it has one."""
        self.traces = Traces(self._candidates(cases, priors))
        self.truth = TruthBoxes.from_boxes([case.boxes for case in cases])
        self.is_valid = np.array([reason in ("", base.FLAT) for reason in self.reasons], dtype=bool)
        """(N,) False if the method failed: C is a miss at all weights."""

    def _candidates(
        self, cases: Cases, priors: Iterable[NDArray[np.floating[Any]]]
    ) -> Iterator[Trace]:
        """Yield the trace of C for each case and weight."""
        traced: dict[tuple[bytes, tuple[int, int]], tuple[Surface, Trace]] = {}
        for case, values in zip(base.with_bar(cases), priors, strict=True):
            key = values.tobytes(), case.frame  # many cases have the same prior
            if key not in traced:
                prior = surface(min_max(values), case.frame, "conventional")
                traced[key] = prior, trace(prior)
            heat, reason = case.load_surface
            self.reasons.append(reason)
            yield from traces_of_weights(heat, *traced[key])

    @cached_property
    def iou(self) -> FloatArray:
        """(N,12,T) IoU at all thresholds: of C at each weight, 0 if the method failed, then of P."""
        candidates = np.arange(len(self.traces)).reshape(-1, len(WEIGHTS))
        out = np.zeros((len(candidates), len(WEIGHTS) + 1, len(THRESHOLDS)))
        for cases in base.batches(len(candidates)):
            block = candidates[cases].ravel()
            boxes = self.traces.boxes(block, np.tile(THRESHOLDS, (len(block), 1)))
            case_of_box = np.repeat(block // len(WEIGHTS), len(THRESHOLDS))
            iou, _ = self.truth.overlaps(boxes.reshape(-1, 4), case_of_box)
            out[cases, : len(WEIGHTS)] = iou.reshape(-1, len(WEIGHTS), len(THRESHOLDS))
        out[:, -1] = out[:, PRIOR_ALONE]
        out[~self.is_valid, : len(WEIGHTS)] = 0
        return out

    def boxes(self, weight: int | Index, thresholds: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the boxes (N,4) of the cases at a weight and threshold each, and their IoU (N,), 0 without a box."""
        cases = np.arange(len(thresholds))
        boxes = self.traces.boxes(cases * len(WEIGHTS) + weight, thresholds[:, None])[:, 0]
        iou, _ = self.truth.overlaps(boxes, cases)
        return boxes, iou

    def columns(self, choice: FloatArray) -> dict[str, FloatArray]:
        """Return the columns (N,) of the rows per case from the numbers ``CHOSEN`` (4,N): also boxes and IoU."""
        weight, combined, prior, alone = choice
        weight_index = np.rint(np.nan_to_num(weight) * MAP_ALONE).astype(np.int64)
        boxes, iou = self.boxes(weight_index, combined)
        boxes[~self.is_valid] = np.nan
        _, iou_prior = self.boxes(PRIOR_ALONE, prior)
        _, iou_alone = self.boxes(MAP_ALONE, alone)
        return {
            WEIGHT: weight,
            "threshold": combined,
            **dict(zip(("x0", "y0", "x1", "y1"), boxes.T, strict=True)),
            "iou": iou * self.is_valid,
            "threshold_prior": prior,
            "iou_prior": iou_prior,
            "threshold_alone": alone,
            "iou_alone": iou_alone,
        }


def traces_of_weights(heat: Surface | None, prior: Surface, of_prior: Trace) -> Iterator[Trace]:
    """Yield the trace of C at each of ``WEIGHTS`` from the map and the prior, scaled to [0,1].

    A flat map changes no order of positions, so that C is P. A map that failed has the same traces; its C counts as a
    miss all the same (``Blends.is_valid``).

    Args:
        heat: the map; None if it is flat or failed.
        prior: P.
        of_prior: the trace of P.
    """
    yield of_prior
    if heat is None:
        yield from [of_prior] * (MAP_ALONE - 1)
        yield EMPTY
        return
    yield from traces_of_means(*on_finer_grid(heat, prior), WEIGHTS[1:MAP_ALONE])
    yield trace(heat)


def on_finer_grid(heat: Surface, prior: Surface) -> tuple[Surface, Surface]:
    """Return map and prior on the grid with more positions; if these are equally many, on that of the map."""
    if prior.values.size > heat.values.size:
        return _on_grid_of(prior, heat), prior
    return heat, _on_grid_of(heat, prior)


def _on_grid_of(target: Surface, source: Surface) -> Surface:
    """Return ``source`` with its values at the vertices of ``target``."""
    rows = interpolation_weights(source.y, target.y)
    columns = interpolation_weights(source.x, target.x)
    values = np.clip(rows @ source.values @ columns.T, *source.span)
    return replace(target, values=values)


def _chosen(blends: Blends, fold_masks: Sequence[tuple[Mask, Mask]]) -> FloatArray:
    """Return the numbers ``CHOSEN`` (4,N) for the first mask of each fold, chosen on the cases of its second mask."""
    choice = np.full((len(CHOSEN), len(blends.folds)), np.nan)
    masks = blends.groups.values()
    if not masks:
        return choice
    for cases, chosen_on in fold_masks:
        best = np.stack([_best(blends.iou[mask & chosen_on]) for mask in masks])
        _, hits, quality = best[..., : len(WEIGHTS)].mean(0).round(COMPARED_DECIMALS)
        weight = np.lexsort((-quality, -hits))[0]  # stable: of equal ones, the smallest weight
        for mask, (thresholds, _, _) in zip(masks, best, strict=True):
            numbers = WEIGHTS[weight], *thresholds[[weight, -1, MAP_ALONE]]
            choice[:, cases & mask] = np.array(numbers)[:, None]
    return choice


def _best(iou: FloatArray) -> FloatArray:
    """Return, for each of 12 candidates, the best threshold of n cases with IoU (n,12,T), its hits and IoU: (3,12).

    The hits are the share of cases; ties go to the larger mean IoU, then to the lower threshold.
    """
    hits = (iou > IOU).mean(0)
    quality = iou.mean(0).round(COMPARED_DECIMALS)
    best = np.where(hits == hits.max(-1, keepdims=True), quality, -np.inf).argmax(-1)
    return np.stack([THRESHOLDS[best], at_index(hits, best), at_index(quality, best)])


def _choose_thresholds_again(
    iou: FloatArray, times: NDArray[np.float32], in_fold: Mask
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Choose the thresholds of each fold of one finding on the other folds, in all resamples.

    Each fold is counted once per resample; the counts of the other folds are the difference from the sum. Hits and IoU
    are added in one number: the IoU is the fraction.

    Args:
        iou: (n,12,T) IoU of the cases of the finding.
        times: (B,n) how often each case is drawn.
        in_fold: (folds,n).

    Returns:
        (folds,B,12) share of hits on the other folds, and mean IoU there; (folds,B,12) hits on the fold itself; and
        (folds,B) drawn cases of the fold.
    """
    iou_weight = 0.5 / max(times.sum(1).max(), 1)  # so the fraction stays below 1
    rounding = iou_weight / 8  # the counts are sums and differences of single precision
    values = ((iou > IOU) + iou_weight * iou).reshape(len(iou), -1).astype(np.float32)
    counts = np.empty((len(in_fold), len(times), *iou.shape[1:]), dtype=np.float32)
    for of_fold, fold in zip(counts, in_fold, strict=True):
        np.matmul(times[:, fold], values[fold], out=of_fold.reshape(len(times), -1))
    cases = np.stack([times[:, fold].sum(1) for fold in in_fold]).astype(np.float64)
    total = counts.sum(0)
    at_best = []
    for of_fold in counts:
        of_others = total - of_fold
        threshold = of_others.argmax(-1)[..., None]
        tested = np.take_along_axis(of_fold, threshold, axis=-1)[..., 0]
        at_best.append((of_others.max(-1), tested))
    best, tested = np.stack(at_best, axis=1).astype(np.float64)
    hits = np.floor(best + rounding)
    cases_of_others = np.broadcast_to((cases.sum(0) - cases)[..., None], best.shape)
    share = ratio(hits, cases_of_others)
    mean_iou = ratio((best - hits) / iou_weight, cases_of_others)
    return share, mean_iou, np.floor(tested + rounding), cases


def _values(rows: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Return metric -> values (N,) from the columns of the rows: hits of M, of C, of C minus those of P, the weight."""
    alone, combined, prior = (
        (rows[name] > IOU).astype(np.float64) for name in ("iou_alone", "iou", "iou_prior")
    )
    return {ALONE: alone, COMBINED: combined, ADDED: combined - prior, WEIGHT: rows[WEIGHT]}


def _shares(
    totals: Values, groups: Groups, times: NDArray[np.float32]
) -> dict[str, dict[str, FloatArray]]:
    """Return metric -> finding -> its value in each resample (B,), from the ``totals`` (F,B); nan without a case.

    ``mean`` is the mean over the findings with a drawn case.
    """
    cases = np.stack([times[:, mask].sum(1, dtype=np.float64) for mask in groups.values()])
    shares = {}
    for metric, sums in totals.items():
        of_findings = ratio(sums, cases)
        mean = np.nan_to_num(resample.mean(of_findings, 0))
        shares[metric] = dict(zip([*groups, "mean"], [*of_findings, mean], strict=True))
    return shares


def _with_interval(
    score: Score, resamples: Mapping[str, Mapping[str, FloatArray]], patients: int
) -> Score:
    """Return the score with its 95% interval, from the standard deviation of its resamples; none below 10 patients.

    Percentiles are not used: a resample has fewer different patients on which to choose, so it scores less. Without
    any spread, only a difference has an interval.
    """
    if score.value is None or patients < resample.MIN_PATIENTS:
        return score
    error = float(np.nanstd(resamples[score.metric][score.finding], ddof=1))
    is_difference = score.metric == ADDED
    if error == 0 and not is_difference:
        return score
    reach = NormalDist().inv_cdf((1 + resample.LEVEL) / 2) * error
    ends = np.clip([score.value - reach, score.value + reach], -1 if is_difference else 0, 1)
    return score.with_interval(*ends.tolist())


def _by_finding(choice: FloatArray, index: CaseIndex) -> dict[str, dict[str, list[float]]]:
    """Return finding -> the distinct numbers ``CHOSEN`` of its cases, ascending; none if it is not scored."""
    return {
        finding: {
            name: np.unique(values[mask & np.isfinite(values)].round(6)).tolist()
            for name, values in zip(CHOSEN, choice, strict=True)
        }
        for finding, mask in index.groups(shared=False).items()
    }
