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
from locus.scoring.score_thresholds import CROSS_FITTED, ThresholdsBySource
from locus.scoring.statistics.summary import Column, estimate, scores

THRESHOLD_STEPS = 100
"""Thresholds are chosen among the 99 that divide the range of all maps into equal steps."""
FIXED_THRESHOLD = 0.5
POOLED, EMPTY_IS_1 = "dice@pooled", "dice@empty_is_1"


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
        scored, others = (
            [c for c in part if c.finding in findings and (len(c.boxes) or c.label == 0)]
            for part in (cases, validation)
        )
        levels = _levels([*scored, *others])
        pixels, training = (PixelCounts.of(part, levels) for part in (scored, others))
        index, training_index = base.case_index(scored), base.case_index(others)
        columns, table = [pixels.cnr], dict[str, ArrayLike]()
        metrics, of_training = pixels.metrics, training.metrics
        for metric in ("dice", "iou") if pixels.has_truth.all() else metrics:
            of_scored = metrics[metric]
            ratios, others_ratios = (
                Ratios(*(side[:, :-1] for side in of)) for of in (of_scored, of_training[metric])
            )
            of_training_part = others_ratios, training_index
            chosen = score_thresholds.choose(
                (ratios, index), THRESHOLD_STEPS // 2, seed, of_training_part
            )
            chosen = {
                key: at for key, at in chosen.items() if not key[1]
            }  # one threshold per finding
            chosen |= {("fixed", ""): np.full(len(scored), float(len(levels) - 1))}
            columns += _columns(metric, of_scored, chosen)
            if metric in (self.main, "iou"):
                table |= {
                    metric: score_thresholds.at_index(ratio(*of_scored), chosen[CROSS_FITTED])
                }
        estimates = [
            replace(one, samples=None) if one.threshold_source == "oracle" else one
            for one in estimate(columns, index, findings, seed)
        ]
        rows = base.rows(scored, pixels.reasons, table)
        failed = base.failures(scored, pixels.reasons)
        return Result(scores(estimates, findings), rows, {}, failed)


@dataclass(frozen=True, eq=False)
class Ratios:
    """N cases at T thresholds, scored by one ratio of sums. A ``ThresholdSelector``."""

    part: FloatArray
    """(N,T)."""
    whole: FloatArray
    """(N,T)."""

    def best(self, subset: NDArray[np.int64]) -> float:
        """Return the index of the threshold with the largest ratio of the sums over the ``subset``."""
        return float(
            np.nan_to_num(ratio(self.part[subset].sum(0), self.whole[subset].sum(0))).argmax()
        )


def _levels(cases: Cases) -> FloatArray:
    """Return the thresholds (T+1,): equal steps between the smallest and the largest value of all maps, then .5."""
    case_of_map = {id(case.map): case for case in cases}  # many cases may share a map
    spans = [span for case in case_of_map.values() if (span := base.span(case)) is not None]
    low = min((lowest for lowest, _ in spans), default=0.0)
    high = max((highest for _, highest in spans), default=1.0)
    return np.append(np.linspace(low, high, THRESHOLD_STEPS + 1)[1:-1], FIXED_THRESHOLD)


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
        truth, cnr, reasons = np.zeros(len(cases)), np.full(len(cases), np.nan), []
        shared: dict[int, tuple[FloatArray, NDArray[np.int64]]] = {}
        order = np.argsort(levels)
        for n, case in enumerate(base.with_bar(cases)):
            values, reason = base.finite_map(case)
            reasons.append(reason)
            mask = (
                sampled_truth(case)
                if len(case.boxes)
                else np.zeros((MAP_SIDE, MAP_SIDE), dtype=bool)
            )
            truth[n] = mask.sum()
            if values is None:
                continue
            if id(case.map) not in shared:
                grid = resolve(case.grid, (values.shape[0], values.shape[1]), case.frame)
                picture = resample(values, grid, (MAP_SIDE, MAP_SIDE)).astype(np.float64)
                shared = {id(case.map): (picture, np.searchsorted(levels[order], picture))}
            picture, below = shared[id(case.map)]
            counts = (
                np.bincount(part, minlength=len(levels) + 1)
                for part in (below[mask], below.ravel())
            )
            inside[n, order], above[n, order] = (part[::-1].cumsum()[::-1][1:] for part in counts)
            if mask.any() and not mask.all() and picture.min() < picture.max():
                cnr[n] = contrast_to_noise(picture[mask], picture[~mask])
        measured = np.isfinite(cnr)
        column = Column(
            "cnr", "none", np.where(measured, cnr, 0), measured.astype(np.float64), is_share=False
        )
        return cls(
            inside,
            above,
            truth,
            np.array([len(c.boxes) > 0 for c in cases], dtype=bool),
            column,
            reasons,
        )

    @property
    def metrics(self) -> Mapping[str, tuple[FloatArray, FloatArray]]:
        """Metric -> numerators and denominators (N,T+1), whose sums over cases are divided."""
        both = self.above + self.truth[:, None]
        positive = np.repeat(self.has_truth[:, None], self.above.shape[1], 1)
        one, counted = np.ones_like(both), positive.astype(np.float64)
        dice = np.where(positive, np.nan_to_num(ratio(2 * self.inside, both)), 0)
        iou = np.where(positive, np.nan_to_num(ratio(self.inside, both - self.inside)), 0)
        empty_is_1 = np.where(positive, dice, self.above == 0), one
        return {
            "dice": (dice, counted),
            "iou": (iou, counted),
            POOLED: (2 * self.inside, both),
            EMPTY_IS_1: empty_is_1,
        }


def sampled_truth(case: base.Case) -> NDArray[np.bool_]:
    """Return the truth (224,224) of a case at the centres of the pixels: its mask or, without one, its boxes."""
    mask, (height, width) = case.mask, case.frame
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
    first, second = np.asarray(inside, dtype=np.float64), np.asarray(outside, dtype=np.float64)
    noise = float(np.sqrt(first.var() + second.var()))
    return abs(float(first.mean() - second.mean())) / noise if noise else float("nan")


def _columns(
    metric: str, pair: tuple[FloatArray, FloatArray], chosen: ThresholdsBySource
) -> list[Column]:
    parts = {
        key: [score_thresholds.at_index(side, at) for side in pair] for key, at in chosen.items()
    }
    return [
        base.AtThreshold(key, np.isfinite(chosen[key])).column(
            metric, np.nan_to_num(part), np.nan_to_num(whole)
        )
        for key, (part, whole) in parts.items()
    ]
