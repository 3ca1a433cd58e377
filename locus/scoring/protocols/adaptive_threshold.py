"""The adaptive threshold of the project that Locus is based on: min(factor × mean, high) of the scaled map."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from locus.core.types import FloatArray
from locus.scoring import score_thresholds
from locus.scoring.protocols import base
from locus.scoring.protocols.base import Cases, Result
from locus.scoring.score_thresholds import ThresholdKey, ThresholdsBySource
from locus.scoring.statistics.resample import SHARED_SUFFIX
from locus.scoring.statistics.summary import Column
from locus.scoring.surface import Surface
from locus.scoring.surface.batch import Boxes, TruthBoxes

PUBLISHED_RULE = (1.95, 0.6)
FACTORS, HIGHS = np.linspace(1.4, 2.2, 7).round(6), np.linspace(0.5, 0.9, 7).round(6)
GRID = [(float(f), float(h)) for f in FACTORS for h in HIGHS]
RULES = [*GRID, PUBLISHED_RULE]
DEFAULT_INDEX = len(GRID) // 2
OVERLAP_THRESHOLDS = (0.1, 0.2, 0.25, 0.3, 0.4, 0.5)
IOU = 0.3
MAIN = "hit@iou.3"


class AdaptiveThreshold(base.Protocol):
    """Boxes of all components of {map > min(factor · mean, high)}, for a map scaled to [0,1].

    A case has the largest IoU of any box with any truth box, and an IoBB: the share of the boxes' union inside the
    union of the truth boxes. Metrics are the shares of cases at or above .1, .2, .25, .3, .4 and .5, the share without
    any overlap, and the mean IoU and IoBB. ``fixed`` uses factor 1.95 and high .6. ``cross-fitted`` by patient,
    ``validation`` and ``oracle`` use the rule of a 7×7 grid with most cases at IoU ≥ .3: one per finding, or one for
    all findings for ``hit@iou.3@shared``. ``optimism`` is oracle − cross-fitted. ``mean`` in the rule is the mean of
    the surface over the frame. A case without a box has IoU 0 and no IoBB (0/0).
    """

    name = "adaptive_threshold"
    main = MAIN
    chooses_thresholds = True

    def evaluate(
        self, cases: Cases, findings: Sequence[str], seed: int = 0, validation: Cases = ()
    ) -> Result:
        """Return ``hit@iou.1`` …, ``hit@iobb.1`` …, ``no_overlap``, means at each threshold source; a row per case."""
        scored = base.of_findings(cases, findings)
        val_cases = base.of_findings(validation, findings)
        batch = RuleCases(scored)
        index = base.case_index(scored)
        validation_selector = RuleCases(val_cases).selector, base.case_index(val_cases)
        chosen_rules: ThresholdsBySource = {("fixed", ""): np.full(len(scored), float(len(GRID)))}
        chosen_rules |= score_thresholds.choose(
            (batch.selector, index), DEFAULT_INDEX, seed, validation_selector
        )
        columns = []
        for key, indices in chosen_rules.items():
            columns += _columns(batch, key, indices)
        oracle = "optimism", batch.selector.hits[:, None], np.ones(len(scored))
        rules = [list(rule) for rule in RULES]
        return Result(
            base.scores_with_optimism(columns, index, findings, seed, {MAIN: oracle}),
            base.rows(scored, batch.reasons, _row_columns(batch, chosen_rules)),
            score_thresholds.distinct_thresholds(chosen_rules, index, rules),
            base.failures(scored, batch.reasons),
        )


class RuleCases:
    """Overlaps of N cases under each of R rules."""

    def __init__(self, cases: Sequence[base.Case]) -> None:
        batches = [_under_rules(cases[batch]) for batch in base.batches(len(cases))]
        self.reasons = [reason for _, reasons in batches for reason in reasons]
        self.threshold, self.iou, self.iobb, self.count = np.concatenate(
            [tables for tables, _ in batches], 1
        )
        """(N,R) each; nan, 0, nan and 0 without a map. IoBB is nan without a box."""
        self.selector = score_thresholds.SampledThresholds(
            self.iou[:, : len(GRID)] >= IOU, self.iou[:, : len(GRID)]
        )


def _under_rules(cases: Sequence[base.Case]) -> tuple[FloatArray, list[str]]:
    """Return threshold, largest IoU, IoBB and number of boxes (4,n,R), and the reasons (n,) for missing maps."""
    ready = [case.load_surface for case in base.with_bar(cases)]
    surfaces = [heat for heat, _ in ready]
    thresholds, index = _rule_thresholds(surfaces)
    boxes = Boxes.from_surfaces(surfaces, thresholds)
    truth = TruthBoxes.from_boxes([case.boxes for case in cases])
    largest = np.zeros(thresholds.shape)
    iou, _ = truth.overlaps(boxes.boxes, boxes.case_index)
    np.maximum.at(largest, (boxes.case_index, boxes.threshold_index), iou)
    tables = (
        thresholds,
        largest,
        truth.union_iobb(boxes, thresholds.shape[1]),
        boxes.counts(*thresholds.shape),
    )
    return np.array([np.take_along_axis(table, index, 1) for table in tables]), [
        why for _, why in ready
    ]


def _rule_thresholds(surfaces: Sequence[Surface | None]) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return the distinct thresholds (N,L) of each case, nan if no rule uses one, and each rule's index (N,R)."""
    (factor, factor_index), (high, high_index) = (
        np.unique(side, return_inverse=True) for side in np.array(RULES).T
    )
    mean = np.array([np.nan if heat is None else heat.mean for heat in surfaces]).reshape(-1, 1)
    thresholds = np.concatenate([mean * factor, mean * 0 + high], 1)
    index = np.where(
        thresholds[:, factor_index] < high[high_index], factor_index, len(factor) + high_index
    )
    used = np.zeros(thresholds.shape, dtype=bool)
    np.put_along_axis(used, index, values=True, axis=1)
    return np.where(used, thresholds, np.nan), index


def _columns(batch: RuleCases, key: ThresholdKey, indices: FloatArray) -> list[Column]:
    """Return the columns of one threshold source; a rule shared by all findings only has the main metric."""
    at_threshold = base.AtThreshold(key, np.isfinite(indices))
    iou, iobb = (score_thresholds.at_index(table, indices) for table in (batch.iou, batch.iobb))
    if key[1] == SHARED_SUFFIX:
        return [at_threshold.column(MAIN, iou >= IOU)]
    sides = [
        (measure, values, t)
        for measure, values in (("iou", iou), ("iobb", iobb))
        for t in OVERLAP_THRESHOLDS
    ]
    hits = [
        at_threshold.column(f"hit@{measure}{t:g}".replace("0.", "."), values >= t)
        for measure, values, t in sides
    ]
    means = [
        at_threshold.column("mean_iou", iou),
        at_threshold.column("mean_iobb", iobb, np.isfinite(iobb)),
    ]
    return [*hits, at_threshold.column("no_overlap", iou == 0), *means]


def _row_columns(batch: RuleCases, chosen_rules: ThresholdsBySource) -> Mapping[str, ArrayLike]:
    fixed = len(GRID)
    other_sources = base.at_sources(chosen_rules, threshold=batch.threshold, iou=batch.iou)
    del other_sources["fixed", ""]
    factor, high = np.tile(PUBLISHED_RULE, (len(batch.iou), 1)).T
    threshold, iou, iobb = (table[:, fixed] for table in (batch.threshold, batch.iou, batch.iobb))
    boxes = batch.count[:, fixed].astype(np.int64)
    numbers = {
        "factor": factor,
        "high": high,
        "threshold": threshold,
        "boxes": boxes,
        "iou": iou,
        "iobb": iobb,
    }
    return {**numbers, MAIN: iou >= IOU, **base.other_sources(other_sources)}
