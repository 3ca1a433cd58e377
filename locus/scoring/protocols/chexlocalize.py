"""Segmentation by a threshold, as CheXlocalize scores saliency maps against radiologists' masks."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from locus.core.types import FloatArray
from locus.scoring import score_thresholds
from locus.scoring.pixels import Picture, interior
from locus.scoring.protocols import base
from locus.scoring.protocols.base import Cases, Result
from locus.scoring.score_thresholds import CROSS_FITTED, ThresholdKey, ThresholdsBySource
from locus.scoring.statistics.resample import SHARED_SUFFIX, CaseIndex
from locus.scoring.statistics.summary import Column

THRESHOLDS = np.arange(0.2, 0.8, 0.1)
"""Thresholds of the source; floating-point rounding includes .8."""
DEFAULT_INDEX = 3
"""The index of .5."""
OTSU = len(THRESHOLDS)
"""Index of the threshold chosen by Otsu's rule, after the listed ones."""


class CheXlocalize(base.Protocol):
    """Mask IoU of {map > threshold} on the frame's pixels, and the hit rate of the map's maximum.

    The map is interpolated on the frame and scaled to [0,1] there. The threshold is one of .2, .3 … .8 and maximizes
    the mean IoU: ``cross-fitted`` by patient, on the ``validation`` split (as in the source), or as ``oracle``. There
    is one threshold per finding; ``mask_iou@shared`` uses one for all findings. ``fixed`` uses .5, ``otsu`` a threshold
    from the map alone (256 levels). ``mask_iou`` is the mean over the cases with truth and prediction, so a flat or
    failed map is left out. ``mask_iou_all`` is the mean over the cases with truth or prediction: a miss or a false
    alarm counts as 0, and every map that is not flat is an alarm. ``hit_rate`` is the share of cases whose first
    maximum, in row-major order, is inside the truth. ``optimism`` is oracle − cross-fitted. Names end in ``@box`` if
    boxes replace masks (pixels with their centre in a box); ``@shared`` comes last. Saporta et al., "Benchmarking
    saliency methods for chest X-ray interpretation", Nature Machine Intelligence 2022, Methods.
    """

    name = "chexlocalize"
    main = "mask_iou"
    geometry = "pixels"
    chooses_thresholds = True
    counts_false_alarms = True

    def evaluate(
        self, cases: Cases, findings: Sequence[str], seed: int = 0, validation: Cases = ()
    ) -> Result:
        """Return the mask IoUs at each threshold source, ``hit_rate`` and ``optimism``; a row per case with truth."""
        true = base.of_findings(cases, findings)
        val_cases = base.of_findings(validation, findings)
        without_truth = [case for case in cases if case.finding in findings and not len(case.boxes)]
        scored = [*true, *without_truth]
        batch = SegmentedCases(scored)
        all_index = base.case_index(scored)
        index = base.case_index(true)
        validation_selector = (
            SegmentedCases(val_cases).selector(len(val_cases)),
            base.case_index(val_cases),
        )
        chosen = score_thresholds.choose(
            (batch.selector(len(true)), index), DEFAULT_INDEX, seed, validation_selector
        )
        fixed, by_otsu = (np.full(len(true), float(index)) for index in (DEFAULT_INDEX, OTSU))
        chosen |= {("fixed", ""): fixed, ("otsu", ""): by_otsu}
        suffix = "" if all(case.read_mask is not None for case in true) else "@box"
        columns = []
        for key, indices in chosen.items():
            at_threshold = base.AtThreshold(key, _chosen_mask(key, indices, all_index))
            columns += _columns(batch, at_threshold, indices, suffix)
        columns.append(Column("hit_rate" + suffix, "none", batch.hit, batch.truth))
        both = batch.truth * batch.drawn
        oracle = f"optimism{suffix}", batch.iou[:, None, :OTSU] * both[:, None, None], both
        oracles = {f"mask_iou{suffix}": oracle}
        thresholds = THRESHOLDS.round(6).tolist()
        return Result(
            base.scores_with_optimism(columns, all_index, findings, seed, oracles),
            base.rows(true, batch.reasons[: len(true)], _row_columns(batch, chosen, true)),
            score_thresholds.distinct_thresholds(chosen, index, thresholds),
            base.failures(scored, batch.reasons),
        )


class SegmentedCases:
    """Overlaps of N cases' masks with the truth, at T thresholds and at Otsu's threshold, as (N,...) arrays."""

    def __init__(self, cases: Sequence[base.Case]) -> None:
        segmented = [_segmented(case) for case in base.with_bar(cases)]
        iou, otsu, hit, drawn, reasons = zip(*segmented, strict=True) if segmented else ((),) * 5
        self.reasons: Sequence[str] = reasons
        self.truth = np.array([float(len(case.boxes) > 0) for case in cases])
        """(N,) 1 for cases with truth."""
        self.drawn = np.array(drawn, dtype=np.float64)
        """(N,) 1 if the prediction has pixels, which is so at every threshold below 1 unless the map is flat."""
        self.iou = np.nan_to_num(np.array(iou).reshape(len(cases), OTSU + 1))
        """(N,T+1); 0 if either mask is empty."""
        self.otsu = np.array(otsu, dtype=np.float64)
        self.hit = np.array(hit, dtype=bool)

    def selector(self, true: int) -> score_thresholds.SampledThresholds:
        """Return the selector for the first ``true`` cases, which have truth; it maximizes the mean IoU."""
        return score_thresholds.SampledThresholds(
            np.zeros((true, OTSU), dtype=bool), self.iou[:true, :OTSU]
        )


def _segmented(case: base.Case) -> tuple[FloatArray, float, bool, bool, str]:
    """Return IoUs, Otsu's threshold, whether the maximum hits and the prediction has pixels, or why it has none."""
    if not len(case.boxes):
        heat, reason = case.load_surface
        return np.full(OTSU + 1, np.nan), np.nan, False, heat is not None, reason
    picture, reason = _picture(case)
    if picture is None:
        return np.full(OTSU + 1, np.nan), np.nan, False, False, reason
    mask = case.mask
    truth = interior(case.boxes, case.frame) if mask is None else mask
    overlaps = picture.overlaps(truth, THRESHOLDS)
    return overlaps, picture.otsu, picture.hits(truth), True, reason


@base.once_per_map
def _picture(case: base.Case) -> tuple[Picture | None, str]:
    """Return the map at the pixels of the frame; None and the reason if it is missing or flat."""
    heat, reason = case.load_surface
    values, _ = base.scaled_map(case)
    if heat is None or values is None:
        return None, reason
    return Picture.of(values, case.grid, case.frame), reason


def _chosen_mask(key: ThresholdKey, indices: FloatArray, index: CaseIndex) -> NDArray[np.bool_]:
    """Return a mask (N,) of the cases with a threshold; a case without truth has one if its finding has one."""
    chosen_cases = np.isfinite(indices)
    n = len(indices)
    follow = np.isin(index.findings[n:], index.findings[:n][chosen_cases]) | (
        key[0] != "validation"
    )
    return np.append(chosen_cases, follow)


def _columns(
    batch: SegmentedCases, at_threshold: base.AtThreshold, indices: FloatArray, suffix: str
) -> list[Column]:
    """Return the columns of one threshold source; a threshold shared by all findings only has the main metric."""
    of_true = score_thresholds.at_index(batch.iou[: len(indices)], indices)
    overlap = np.append(of_true, np.zeros(len(batch.iou) - len(indices)))
    main = at_threshold.column(f"mask_iou{suffix}", overlap, batch.truth * batch.drawn)
    if at_threshold.key[1] == SHARED_SUFFIX:
        return [main]
    return [
        main,
        at_threshold.column(f"mask_iou_all{suffix}", overlap, np.maximum(batch.truth, batch.drawn)),
    ]


def _row_columns(
    batch: SegmentedCases, chosen: ThresholdsBySource, true: Sequence[base.Case]
) -> Mapping[str, ArrayLike]:
    n = len(true)
    thresholds = np.column_stack([np.tile(THRESHOLDS.round(6), (n, 1)), batch.otsu[:n]])
    columns = base.at_sources(chosen, threshold=thresholds, iou=batch.iou[:n])
    kinds = ["box" if case.read_mask is None else "mask" for case in true]
    return {
        "truth": kinds,
        **columns.pop(CROSS_FITTED),
        "hit_rate": batch.hit[:n],
        **base.other_sources(columns),
    }
