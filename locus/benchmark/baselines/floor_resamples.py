"""Scores of ``prior`` and ``fixed_box`` in resamples of patients that make both again.

Each resample draws the patients and, independently, the patient folds. The map of ``prior`` is then the mean of the
drawn boxes of the other folds, and its score thresholds are chosen again as those of a method: per finding, on the
drawn patients of other folds of seed 0. ``fixed_box`` is the box with most hits on the drawn patients of the other
folds. Resamples are those of ``scoring.rechosen``, so that the difference from a method on the same cases is paired.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from locus.benchmark.baselines.fixed_box import HIT_IOU
from locus.benchmark.baselines.fold_draws import (
    CANDIDATES,
    COMPARED_DECIMALS,
    FOLDS,
    SIDE,
    overlaps_by_block,
)
from locus.benchmark.records.curves import THRESHOLDS
from locus.core.frames import as_boxes, box_coverage
from locus.core.names import FIXED_BOX, PRIOR
from locus.core.types import FloatArray, patient_folds
from locus.scoring.protocols.base import Case, case_index, with_truth
from locus.scoring.rechosen import RESAMPLES, drawn, means, middle_of_best
from locus.scoring.score_thresholds import FOLD_COUNT
from locus.scoring.surface import min_max, surface
from locus.scoring.surface.batch import Traces, TruthBoxes
from locus.scoring.surface.trace import trace

DRAWS_PER_RESAMPLE = 1
"""Draws of the patient folds in each resample. Published scores are means over ``FOLD_DRAWS`` draws, so that with one
draw the resamples vary more than the published score, by 0.95 of the variance of a draw; more draws take longer."""
WHOLE = (1, 1)
"""Frame of boxes that are shares of their image."""
MAP_FRAME = (SIDE, SIDE)
"""Frame in which boxes are compared: a position of the map of ``prior`` is one pixel."""
Hits = NDArray[np.bool_]
Weights = NDArray[np.float32]


@dataclass(frozen=True, eq=False, kw_only=True)
class FindingResamples:
    """N cases of one finding in B resamples."""

    truths: Sequence[FloatArray]
    """Truth boxes (M,4) of each case, as shares of its frame."""
    times: Weights
    """(B,N) how often each case is drawn."""
    fold: NDArray[np.int64]
    """(B,N) fold of each case in the draw of each resample."""
    threshold_fold: NDArray[np.int64]
    """(N,) fold for which the score threshold of each case is chosen, as that of a method."""


def resampled_scores(
    cases: Sequence[Case], count: int = RESAMPLES, draws: int = DRAWS_PER_RESAMPLE
) -> dict[str, FloatArray]:
    """Return ``prior`` and ``fixed_box`` -> scores (B,) in the first ``count`` resamples of patients.

    A score is the mean over ``draws`` of the patient folds. Only the truth, the patient and the finding of the
    ``cases`` are used. Cases without a truth box are left out.
    """
    scored = with_truth(cases)
    index = case_index(scored)
    times = np.repeat(drawn(index)[:count], draws, axis=0)
    patients = index.patients.tolist()
    fold = np.array([patient_folds(patients, FOLDS, seed) for seed in range(count * draws)])
    threshold_fold = patient_folds(patients, FOLD_COUNT, 0)
    hits = {name: np.zeros(times.shape, dtype=np.float32) for name in (PRIOR, FIXED_BOX)}
    for held in index.groups(shared=False).values():
        of_finding = FindingResamples(
            truths=[_as_shares(scored[n]) for n in np.flatnonzero(held)],
            times=times[:, held],
            fold=fold[:, held],
            threshold_fold=threshold_fold[held],
        )
        hits[PRIOR][:, held] = prior_hits(of_finding)
        hits[FIXED_BOX][:, held] = fixed_box_hits(of_finding)
    scores = {name: means(of_floor, times, index) for name, of_floor in hits.items()}
    return {name: of_draws.reshape(count, draws).mean(1) for name, of_draws in scores.items()}


def _as_shares(case: Case) -> FloatArray:
    """Return the truth boxes (M,4) as shares of the frame."""
    height, width = case.frame
    return as_boxes(case.boxes) / np.array([width, height, width, height])


def prior_hits(finding: FindingResamples) -> Hits:
    """Return the hits (B,N) of the maps of ``prior``, which are made again in each resample."""
    coverage = np.stack([box_coverage(boxes, WHOLE, MAP_FRAME) for boxes in finding.truths])
    truth = TruthBoxes.from_boxes([boxes * SIDE for boxes in finding.truths])
    hits = np.zeros(finding.times.shape, dtype=bool)
    for n, (times, fold) in enumerate(zip(finding.times, finding.fold, strict=True)):
        at_thresholds = hits_of_maps(mean_maps(coverage, times, fold), fold, truth)
        hits[n] = _at_chosen_thresholds(at_thresholds, times, finding.threshold_fold)
    return hits


def mean_maps(coverage: FloatArray, times: Weights, fold: NDArray[np.int64]) -> FloatArray:
    """Return the map (folds,side,side) of each fold: the mean ``coverage`` (N,side,side) of the drawn other cases.

    A map is 0 everywhere if no other case was drawn.
    """
    weights = times * (fold != np.arange(FOLDS)[:, None])
    total = np.maximum(weights.sum(1), 1)
    return np.asarray(np.tensordot(weights, coverage, axes=1) / total[:, None, None])


def hits_of_maps(maps: FloatArray, fold: NDArray[np.int64], truth: TruthBoxes) -> Hits:
    """Return the hits (N,T) at all thresholds of the cases, each with the map of its ``fold`` (N,)."""
    traces = Traces(trace(surface(min_max(values), MAP_FRAME, "conventional")) for values in maps)
    boxes = traces.boxes(np.arange(FOLDS), np.tile(THRESHOLDS, (FOLDS, 1)))
    case = np.repeat(np.arange(len(fold)), len(THRESHOLDS))
    iou, _ = truth.overlaps(boxes[fold].reshape(-1, 4), case)
    return np.asarray(iou.reshape(len(fold), -1) > HIT_IOU)


def _at_chosen_thresholds(hits: Hits, times: Weights, threshold_fold: NDArray[np.int64]) -> Hits:
    """Return the hits (N,) at the threshold that is chosen for each fold on the drawn cases of the others."""
    chosen = np.zeros(len(hits), dtype=bool)
    for number in np.unique(threshold_fold):
        is_scored = threshold_fold == number
        counts = times[~is_scored] @ hits[~is_scored].astype(np.float32)
        (threshold,) = middle_of_best(counts[None])
        chosen[is_scored] = hits[is_scored, threshold]
    return chosen


def fixed_box_hits(finding: FindingResamples) -> Hits:
    """Return the hits (B,N) of ``fixed_box``, which is chosen again in each resample."""
    blocks = [overlap for _, overlap in overlaps_by_block(finding.truths, CANDIDATES)]
    candidates = Candidates(np.concatenate(blocks))
    hits = np.zeros(finding.times.shape, dtype=bool)
    for number in range(FOLDS):
        is_scored = finding.fold == number
        best = candidates.best(np.where(is_scored, 0, finding.times))
        hits |= is_scored & candidates.hits[:, best].T
    return hits


class Candidates:
    """C candidates for ``fixed_box``, grouped by the cases that they hit.

    Few sets of cases differ, so that hits are counted once per set instead of once per candidate.
    """

    def __init__(self, overlap: FloatArray) -> None:
        """Store the IoU (N,C) of the candidates with the truth of N cases."""
        self.overlap = overlap
        self.hits: Hits = overlap > HIT_IOU
        """(N,C)."""
        packed = np.ascontiguousarray(np.packbits(self.hits, axis=0).T)
        as_words = packed.view(np.dtype((np.void, packed.shape[1])))[:, 0]
        _, first, self.set_of = np.unique(as_words, return_index=True, return_inverse=True)
        self.hits_of_set = self.hits[:, first].astype(np.float32)
        """(N,U) hits of each set of cases."""

    def best(self, times: Weights) -> NDArray[np.int64]:
        """Return the candidate (B,) with most hits on cases that count ``times`` (B,N).

        Ties go to the larger mean IoU.
        """
        counts = times @ self.hits_of_set
        is_most = counts == counts.max(1, keepdims=True)
        return np.array(
            [self._of_tied(most, weights) for most, weights in zip(is_most, times, strict=True)]
        )

    def _of_tied(self, is_most: Hits, weights: Weights) -> int:
        """Return the candidate with the largest mean IoU of those in the sets (U,) with most hits."""
        tied = np.flatnonzero(is_most[self.set_of])
        is_drawn = weights > 0
        total = weights[is_drawn].astype(np.float64) @ self.overlap[np.ix_(is_drawn, tied)]
        return int(tied[total.round(COMPARED_DECIMALS).argmax()])
