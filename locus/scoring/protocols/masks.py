"""Dice and IoU of a mask or a thresholded map, under three rules for images without the finding, and CNR."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from locus.core.frames import ratio, resample, resolve
from locus.core.types import FloatArray
from locus.scoring import score_thresholds
from locus.scoring.pixels import MAP_SIDE, interior
from locus.scoring.protocols import base
from locus.scoring.protocols.base import Cases, Result
from locus.scoring.score_thresholds import CROSS_FITTED, ThresholdKey, ThresholdsBySource
from locus.scoring.statistics.summary import Column, estimate, scores

THRESHOLD_STEPS = 100
"""Thresholds are chosen among the 99 that divide the range of all maps into equal steps."""
FIXED_THRESHOLD = 0.5
DEFAULT_INDEX = THRESHOLD_STEPS // 2
"""Threshold without other patients to choose it on."""
FIXED: ThresholdKey = ("fixed", "")
POOLED, EMPTY_IS_1 = "dice@pooled", "dice@empty_is_1"
PER_IMAGE = ("dice", "iou")
"""Metrics that are a mean over the images with the finding."""


class Masks(base.Protocol):
    """Overlap of {map > threshold} with the truth, on 224×224 pixels; values are raw, so a map may select nothing.

    The truth of a pixel is that at its centre: of the mask, or of the boxes if there is none. ``dice`` and ``iou``:
    mean over the images with the finding. ``dice@pooled``: one Dice over the pixels of all images. ``dice@empty_is_1``:
    mean over all images; without the finding an image scores 1 if nothing is selected, else 0. Each metric has its own
    threshold, with which it is largest: on the training part (``validation``), on other patients (``cross-fitted``) or
    on the scored images themselves (``oracle``, an upper bound). ``fixed`` is .5, the usual one for masks and
    probabilities. A failed map selects nothing. ``cnr``: |difference of the mean values inside and outside the truth| /
    root of the sum of their variances, mean over the images with the finding whose map is not constant (Boecking et
    al., ECCV 2022). The last two Dice rules need maps of the images without the finding.
    """

    name = "masks"
    main = "dice"
    geometry = "pixels"
    chooses_thresholds = True
    judges = "masks"

    def evaluate(
        self, cases: Cases, findings: Sequence[str], seed: int = 0, validation: Cases = ()
    ) -> Result:
        """Return ``dice`` and ``iou`` at each threshold source, ``cnr``, and a row per case.

        The other two Dice rules are returned only if some images lack the finding.
        """
        scored = _with_known_label(cases, findings)
        validation_cases = _with_known_label(validation, findings)
        levels = _levels([*scored, *validation_cases])
        scored_counts = PixelCounts.of(scored, levels)
        validation_counts = PixelCounts.of(validation_cases, levels)
        scored_sums = scored_counts.metrics
        validation_sums = validation_counts.metrics
        index = base.case_index(scored)
        validation_index = base.case_index(validation_cases)
        at_fixed_threshold = np.full(len(scored), float(len(levels) - 1))  # the last level

        columns = [scored_counts.cnr]
        row_columns = dict[str, ArrayLike]()
        for metric in PER_IMAGE if scored_counts.has_truth.all() else scored_sums:
            sums = scored_sums[metric]
            selector = Ratios.without_fixed(*sums)
            validation_selector = Ratios.without_fixed(*validation_sums[metric])
            chosen = score_thresholds.choose(
                (selector, index), DEFAULT_INDEX, seed, (validation_selector, validation_index)
            )
            per_finding = {key: indices for key, indices in chosen.items() if not key[1]}
            per_finding[FIXED] = at_fixed_threshold
            columns += _columns(metric, sums, per_finding)
            if metric in PER_IMAGE:
                row_columns[metric] = score_thresholds.at_index(
                    ratio(*sums), per_finding[CROSS_FITTED]
                )

        estimates = []
        for estimated in estimate(columns, index, findings, seed):
            if estimated.threshold_source == "oracle":  # chosen on the scored images: no interval
                estimated = replace(estimated, samples=None)
            estimates.append(estimated)
        rows = base.rows(scored, scored_counts.reasons, row_columns)
        failed = base.failures(scored, scored_counts.reasons)
        return Result(scores(estimates, findings), rows, {}, failed)


def _with_known_label(cases: Cases, findings: Sequence[str]) -> list[base.Case]:
    """Return the cases of the findings that have a truth box or surely lack the finding."""
    return [
        case for case in cases if case.finding in findings and (len(case.boxes) or case.label == 0)
    ]


@dataclass(frozen=True, eq=False)
class Ratios:
    """N cases at T thresholds, scored by one ratio of sums. A ``ThresholdSelector``."""

    numerators: FloatArray
    """(N,T)."""
    denominators: FloatArray
    """(N,T)."""

    @classmethod
    def without_fixed(cls, numerators: FloatArray, denominators: FloatArray) -> "Ratios":
        """Return the ratios at all thresholds but the last one, which is fixed and not chosen."""
        return cls(numerators[:, :-1], denominators[:, :-1])

    def best(self, subset: NDArray[np.int64]) -> float:
        """Return the index of the threshold with the largest ratio of the sums over the ``subset``."""
        numerator = self.numerators[subset].sum(0)
        denominator = self.denominators[subset].sum(0)
        return float(np.nan_to_num(ratio(numerator, denominator)).argmax())


def _levels(cases: Cases) -> FloatArray:
    """Return the thresholds (T+1,): equal steps between the smallest and the largest value of all maps, then .5."""
    case_of_map = {id(case.map): case for case in cases}  # many cases may share a map
    spans = [base.span(case) for case in case_of_map.values()]
    low = min((span[0] for span in spans if span is not None), default=0.0)
    high = max((span[1] for span in spans if span is not None), default=1.0)
    inner_levels = np.linspace(low, high, THRESHOLD_STEPS + 1)[1:-1]
    return np.append(inner_levels, FIXED_THRESHOLD)


@dataclass(frozen=True, eq=False)
class PixelCounts:
    """Pixels of N cases at T+1 thresholds."""

    inside: FloatArray
    """(N,T+1) pixels above the threshold and in the truth."""
    above: FloatArray
    """(N,T+1) pixels above the threshold."""
    truth: FloatArray
    """(N,) pixels of the truth."""
    has_truth: NDArray[np.bool_]
    """(N,)."""
    cnr: Column
    reasons: Sequence[str]
    """(N,) why a map is missing, else empty."""

    @classmethod
    def of(cls, cases: Cases, levels: FloatArray) -> "PixelCounts":
        """Count the pixels of the cases. A map that consecutive cases share is interpolated once."""
        inside, above = np.zeros((2, len(cases), len(levels)))
        truth = np.zeros(len(cases))
        cnr = np.full(len(cases), np.nan)
        reasons = []
        ascending = np.argsort(levels)
        previous_map: object = None
        pixels = np.empty(0)
        levels_below = np.empty(0, np.int64)
        for n, case in enumerate(base.with_bar(cases)):
            values, reason = base.finite_map(case)
            reasons.append(reason)
            mask = _truth_of(case)
            truth[n] = mask.sum()
            if values is None:
                continue
            if case.map is not previous_map:
                grid = resolve(case.grid, (values.shape[0], values.shape[1]), case.frame)
                pixels = resample(values, grid, (MAP_SIDE, MAP_SIDE)).astype(np.float64)
                levels_below = np.searchsorted(levels[ascending], pixels)
                previous_map = case.map
            inside[n, ascending] = _count_above(levels_below[mask], len(levels))
            above[n, ascending] = _count_above(levels_below.ravel(), len(levels))
            if mask.any() and not mask.all() and pixels.min() < pixels.max():
                cnr[n] = contrast_to_noise(pixels[mask], pixels[~mask])
        has_cnr = np.isfinite(cnr)
        column = Column(
            "cnr",
            "none",
            np.where(has_cnr, cnr, 0),
            has_cnr.astype(np.float64),
            is_share=False,
        )
        return cls(
            inside=inside,
            above=above,
            truth=truth,
            has_truth=np.array([len(case.boxes) > 0 for case in cases], dtype=bool),
            cnr=column,
            reasons=reasons,
        )

    @property
    def metrics(self) -> Mapping[str, tuple[FloatArray, FloatArray]]:
        """Metric -> numerators and denominators (N,T+1), whose sums over cases are divided."""
        both = self.above + self.truth[:, None]
        has_truth = np.repeat(self.has_truth[:, None], self.above.shape[1], 1)
        counted = has_truth.astype(np.float64)
        dice = np.where(has_truth, np.nan_to_num(ratio(2 * self.inside, both)), 0)
        iou = np.where(has_truth, np.nan_to_num(ratio(self.inside, both - self.inside)), 0)
        empty_is_1 = np.where(has_truth, dice, self.above == 0)
        return {
            "dice": (dice, counted),
            "iou": (iou, counted),
            POOLED: (2 * self.inside, both),
            EMPTY_IS_1: (empty_is_1, np.ones_like(both)),
        }


def _count_above(levels_below: NDArray[np.int64], level_count: int) -> NDArray[np.int64]:
    """Return how many pixels are above each level (T+1,), given how many levels are below each pixel."""
    pixels_by_levels_below = np.bincount(levels_below, minlength=level_count + 1)
    return pixels_by_levels_below[::-1].cumsum()[::-1][1:]


def _truth_of(case: base.Case) -> NDArray[np.bool_]:
    if not len(case.boxes):
        return np.zeros((MAP_SIDE, MAP_SIDE), dtype=bool)
    return sampled_truth(case)


def sampled_truth(case: base.Case) -> NDArray[np.bool_]:
    """Return the truth (224,224) of a case at the centres of the pixels: its mask or, without one, its boxes."""
    mask = case.mask
    height, width = case.frame
    if mask is None:
        return interior(
            case.boxes * MAP_SIDE / [width, height, width, height], (MAP_SIDE, MAP_SIDE)
        )
    rows, columns = (
        ((np.arange(MAP_SIDE) + 0.5) * side / MAP_SIDE).astype(np.int64) for side in case.frame
    )
    return mask[np.ix_(rows, columns)]


def contrast_to_noise(inside: ArrayLike, outside: ArrayLike) -> float:
    """Return |mean inside − mean outside| / √(variance inside + variance outside); nan if both are constant.

    >>> contrast_to_noise([3, 5], [0, 2])  # 3 / √2
    2.1213203435596424
    """
    first = np.asarray(inside, dtype=np.float64)
    second = np.asarray(outside, dtype=np.float64)
    noise = float(np.sqrt(first.var() + second.var()))
    return abs(float(first.mean() - second.mean())) / noise if noise else float("nan")


def _columns(
    metric: str, sums: tuple[FloatArray, FloatArray], chosen: ThresholdsBySource
) -> list[Column]:
    columns = []
    for key, indices in chosen.items():
        numerators, denominators = (score_thresholds.at_index(side, indices) for side in sums)
        at_threshold = base.AtThreshold(key, np.isfinite(indices))
        columns.append(
            at_threshold.column(metric, np.nan_to_num(numerators), np.nan_to_num(denominators))
        )
    return columns
