"""MaxBoxAcc and MaxBoxAccV2: share of cases whose box overlaps the truth, at the best score threshold."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from locus.core.frames import iou, scale_boxes
from locus.core.scores import ThresholdSource
from locus.core.types import FloatArray
from locus.scoring import pixels, score_thresholds
from locus.scoring.protocols import base
from locus.scoring.protocols.base import Cases, Result
from locus.scoring.score_thresholds import CROSS_FITTED, ThresholdsBySource
from locus.scoring.statistics.resample import SHARED_SUFFIX, CaseIndex
from locus.scoring.statistics.summary import Column

STEP = 0.01
LEVELS = pixels.score_thresholds(STEP)
DEFAULT_INDEX = len(LEVELS) // 2
"""The index of .5."""
VARIANTS = {
    "maxboxacc": ("largest", 0.5),
    **{f"maxboxaccv2@iou.{tenth}": ("best", tenth / 10) for tenth in (3, 5, 7)},
}
"""Variant with a separate score threshold -> counted contour, and δ."""
V2 = list(VARIANTS)[1:]
METRICS = {"maxboxacc": ["maxboxacc"], "maxboxaccv2": V2, **{variant: [variant] for variant in V2}}
"""Metric -> the variants that it averages."""
OPTIMISM_METRICS = {metric: f"optimism@{metric}" for metric in ("maxboxacc", "maxboxaccv2")}


class MaxBox(base.Protocol):
    """Share of cases with IoU >= δ: MaxBoxAcc (one box, δ = .5) and MaxBoxAccV2 (any box, mean over δ = .3, .5, .7).

    Maps are scored on 224×224 pixels at 100 score thresholds, with the source's conventions (``Contours``). MaxBoxAcc
    uses the box of the contour with the largest polygon area; V2 uses the best of all contours, inner ones included,
    and has a threshold per δ. The source uses one threshold for all classes, chosen on the scored cases: source
    ``oracle`` of ``…@shared``. It pools the cases; here the score is the mean over findings at that threshold. Locus
    also chooses a threshold per finding, and all thresholds ``cross-fitted`` and on the ``validation`` split; ties go
    to the larger mean IoU, then to the lower threshold. ``otsu`` uses the threshold nearest to the map's Otsu
    threshold, ``fixed`` .5. ``optimism@…`` is oracle − cross-fitted.

    A flat map has the source's box, the first pixel. The map is interpolated bilinearly on its grid; the source
    interpolates cubically. Choe et al., "Evaluating weakly supervised object localization methods right", CVPR 2020,
    section 4; V2: arXiv 2007.04178.
    """

    name = "maxbox"
    main = "maxboxaccv2"
    geometry = "pixels"
    chooses_thresholds = True

    def evaluate(
        self, cases: Cases, findings: Sequence[str], seed: int = 0, validation: Cases = ()
    ) -> Result:
        """Return ``maxboxacc``, ``maxboxaccv2`` and its variants at each source, their optimism; a row per case."""
        scored = base.of_findings(cases, findings)
        val_cases = base.of_findings(validation, findings)
        batch = SweptCases(scored)
        index = base.case_index(scored)
        val_batch = SweptCases(val_cases)
        val_index = base.case_index(val_cases)
        chosen: dict[str, ThresholdsBySource] = {}
        for variant, selector in batch.selectors.items():
            validation_selector = val_batch.selectors[variant], val_index
            chosen[variant] = score_thresholds.choose(
                (selector, index), DEFAULT_INDEX, seed, validation_selector
            )
            chosen[variant] |= {
                ("fixed", ""): np.full(len(scored), float(DEFAULT_INDEX)),
                ("otsu", ""): batch.otsu,
            }
        hits = {
            metric: np.stack([batch.selectors[v].hits for v in METRICS[metric]], 1)
            for metric in OPTIMISM_METRICS
        }
        oracles = {
            metric: (name, hits[metric], np.ones(len(scored)))
            for metric, name in OPTIMISM_METRICS.items()
        }
        return Result(
            base.scores_with_optimism(_columns(batch, chosen), index, findings, seed, oracles),
            base.rows(scored, batch.reasons, _row_columns(batch, chosen)),
            _thresholds_by_variant(chosen, index),
            base.failures(scored, batch.reasons),
        )


@base.once_per_map
def map_224(case: base.Case) -> tuple[NDArray[np.float32] | None, str]:
    """Return the map (224,224) in [0,1] and ""; zeros and "flat map" for a constant map; or None and the reason."""
    scaled, reason = base.scaled_map(case)
    if scaled is None:
        return None, reason
    image = pixels.resample_map(scaled, case.grid, case.frame)
    return image, "" if image.any() else base.FLAT


class SweptCases:
    """Boxes and overlaps of N cases at each of the T score thresholds; no box and overlap 0 if the map failed."""

    def __init__(self, cases: Sequence[base.Case]) -> None:
        curves = [_curves(case) for case in base.with_bar(cases)]
        boxes, largest, best, otsu, reasons = zip(*curves, strict=True) if curves else ((),) * 5
        self.reasons: Sequence[str] = reasons
        shape = len(cases), len(LEVELS)
        self.boxes = np.array(boxes).reshape(*shape, 4)
        """(N,T,4) boxes of the largest contour, in the case's frame."""
        ious = {"largest": np.array(largest).reshape(shape), "best": np.array(best).reshape(shape)}
        pairs = {variant: (ious[kind], limit) for variant, (kind, limit) in VARIANTS.items()}
        self.selectors = {
            v: score_thresholds.SampledThresholds(iou >= limit, iou)
            for v, (iou, limit) in pairs.items()
        }
        """Variant -> selector by the IoU of the largest contour's box, or of any contour's box."""
        self.otsu = np.array(otsu, dtype=np.float64)
        """(N,) index of each map's Otsu threshold."""


def _curves(case: base.Case) -> tuple[FloatArray, FloatArray, FloatArray, int, str]:
    """Return boxes (T,4), their overlaps (T,), the best overlaps (T,), Otsu's index, and the reason for a miss."""
    values, reason = map_224(case)
    if values is None:
        return (
            np.full((len(LEVELS), 4), np.nan),
            np.zeros(len(LEVELS)),
            np.zeros(len(LEVELS)),
            DEFAULT_INDEX,
            reason,
        )
    contours = pixels.Contours(values, STEP)
    truth = pixels.to_pixel_boxes(case.boxes, case.frame) + pixels.PIXEL
    boxes = contours.largest()
    largest = iou(boxes, truth).max(1)
    best = contours.best_overlap(truth)
    return (
        scale_boxes(boxes, (pixels.MAP_SIDE, pixels.MAP_SIDE), case.frame),
        largest,
        best,
        _otsu(values),
        reason,
    )


def _otsu(values: NDArray[np.float32]) -> int:
    """Return the index of the score threshold whose level is nearest to Otsu's, the lowest on ties."""
    image = pixels.quantised(values)
    threshold, _ = cv2.threshold(image, 0, 255, cv2.THRESH_OTSU)
    return int(np.abs(pixels.levels(image, STEP) - threshold).argmin())


def _columns(batch: SweptCases, chosen: Mapping[str, ThresholdsBySource]) -> list[Column]:
    """Return the columns of all metrics; shared thresholds only have the main metrics."""
    columns = []
    for metric, variants in METRICS.items():
        for key in chosen[variants[0]]:
            if key[1] != SHARED_SUFFIX or metric in OPTIMISM_METRICS:
                hits_and_indices = [
                    (batch.selectors[variant].hits, chosen[variant][key]) for variant in variants
                ]
                hits = [score_thresholds.at_index(*pair) for pair in hits_and_indices]
                columns.append(
                    base.AtThreshold(key, np.isfinite(hits[0])).column(metric, np.mean(hits, 0))
                )
    return columns


def _thresholds_by_variant(
    chosen: Mapping[str, ThresholdsBySource], index: CaseIndex
) -> dict[ThresholdSource, dict[str, dict[str, list[object]]]]:
    """Return source of the threshold -> finding -> variant -> chosen score thresholds."""
    out: dict[ThresholdSource, dict[str, dict[str, list[object]]]] = {}
    rounded = LEVELS.round(6).tolist()
    for variant, indices in chosen.items():
        for threshold_source, by_finding in score_thresholds.distinct_thresholds(
            indices, index, rounded
        ).items():
            for finding, levels in by_finding.items():
                out.setdefault(threshold_source, {}).setdefault(finding, {})[variant] = levels
    return out


def _row_columns(
    batch: SweptCases, chosen: Mapping[str, ThresholdsBySource]
) -> dict[str, ArrayLike]:
    """Return MaxBoxAcc's box at its cross-fitted threshold, and whether any box hits at V2's thresholds."""
    main = chosen["maxboxacc"]
    sides = zip(("x0", "y0", "x1", "y1"), batch.boxes.transpose(2, 0, 1), strict=True)
    edges = {name: score_thresholds.at_index(edge, main[CROSS_FITTED]) for name, edge in sides}
    thresholds = np.tile(LEVELS, (len(batch.boxes), 1))
    columns = base.at_sources(main, threshold=thresholds, iou=batch.selectors["maxboxacc"].quality)
    threshold, overlap = columns.pop(CROSS_FITTED).values()
    hits = {
        v: score_thresholds.at_index(batch.selectors[v].hits, chosen[v][CROSS_FITTED]) > 0
        for v in V2
    }
    any_box = {variant.replace("maxboxaccv2", "any"): hit for variant, hit in hits.items()}
    numbers = {"threshold": threshold, **edges, "iou": overlap, "hit@iou.5": overlap >= 0.5}
    return {**numbers, **any_box, **base.other_sources(columns)}
