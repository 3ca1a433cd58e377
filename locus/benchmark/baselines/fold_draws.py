"""``prior`` and ``fixed_box`` with the patients in other folds, drawn several times.

Their scores depend on the draw of the folds, so they are means over ``FOLD_DRAWS`` draws.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from locus.benchmark.baselines.fixed_box import (
    ALLOWED_CANDIDATES,
    AREAS,
    CANDIDATE_SIDES,
    HIT_IOU,
    shared_length,
)
from locus.benchmark.baselines.prior import Prior
from locus.core.frames import as_boxes, box_coverage
from locus.core.names import FIXED_BOX, PRIOR
from locus.core.types import FloatArray, patient_folds
from locus.scoring.protocols.base import Case, with_truth

FOLD_DRAWS = 20
"""Number of draws of the patient folds."""
CASES_PER_BLOCK = 16
"""Number of cases whose overlaps with all candidates are in memory at a time."""
COMPARED_DECIMALS = 9
"""Decimals to which sums of overlaps are compared; smaller differences are rounding."""
CANDIDATES = np.argwhere(ALLOWED_CANDIDATES)
"""(C,2) side along x and side along y of each candidate for ``fixed_box``, as indices of ``CANDIDATE_SIDES``."""
FOLDS = Prior().folds
SIDE = Prior().side


def has_fold_draws(method: str) -> bool:
    """Return whether the score of a row is its mean over draws of the patient folds."""
    return method in (PRIOR, FIXED_BOX)


def over_fold_draws(method: str, cases: Sequence[Case]) -> list[list[Case]]:
    """Return the cases with truth of ``prior`` or ``fixed_box`` for each of ``FOLD_DRAWS`` draws of the patient folds.

    Only the maps or boxes differ between draws. The first draw has the folds of seed 0, as the other baselines' files.
    """
    scored = with_truth(cases)
    patients = [case.patient_id for case in scored]
    findings = np.array([case.finding for case in scored])
    fold = np.array([patient_folds(patients, FOLDS, seed) for seed in range(FOLD_DRAWS)])
    redraw = _with_fixed_boxes if method == FIXED_BOX else _with_prior_maps
    draws: list[list[Case]] = [list(scored) for _ in range(FOLD_DRAWS)]
    for finding in np.unique(findings):
        indices = np.flatnonzero(findings == finding)
        of_finding = [scored[index] for index in indices]
        for draw, redrawn in zip(draws, redraw(of_finding, fold[:, indices]), strict=True):
            for index, case in zip(indices, redrawn, strict=True):
                draw[index] = case
    return draws


def _with_prior_maps(cases: Sequence[Case], fold: NDArray[np.int64]) -> Iterator[list[Case]]:
    """Yield the cases of one finding with the maps of each draw; ``fold``: (D,N) fold of each case."""
    coverage = [box_coverage(case.boxes, case.frame, (SIDE, SIDE)) for case in cases]
    box_maps = np.stack(coverage).astype(np.float32)
    for fold_of_case in fold:
        maps = [_mean_of(box_maps[fold_of_case != number]) for number in range(FOLDS)]
        # the cases of a fold share one array, so that its surface is made once
        yield [
            replace(case, map=maps[number])
            for case, number in zip(cases, fold_of_case.tolist(), strict=True)
        ]


def _mean_of(box_maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean (side,side) of maps (N,side,side) of boxes; zeros without any."""
    if not len(box_maps):
        return np.zeros(box_maps.shape[1:], dtype=np.float32)
    return box_maps.mean(0)


def _with_fixed_boxes(cases: Sequence[Case], fold: NDArray[np.int64]) -> Iterator[list[Case]]:
    """Yield the cases of one finding with the box of each draw; ``fold``: (D,N) fold of each case."""
    truths = [as_boxes(case.boxes) / _frame_factors(case) for case in cases]
    for boxes, fold_of_case in zip(choose_boxes(truths, fold), fold, strict=True):
        redrawn = []
        for case, number in zip(cases, fold_of_case, strict=True):
            box = boxes[number] * _frame_factors(case)
            redrawn.append(replace(case, submitted_boxes=np.append(box, 1.0)[None]))
        yield redrawn


def _frame_factors(case: Case) -> NDArray[np.int64]:
    """Return (W, H, W, H) of the frame: the factors from shares of the frame to a box xyxy."""
    height, width = case.frame
    return np.array([width, height, width, height])


def choose_boxes(truths: Sequence[FloatArray], fold: NDArray[np.int64]) -> FloatArray:
    """Return the boxes (D,folds,4) of one finding, as shares of the frame, chosen as ``FixedBox.boxes`` does.

    Hits are counted for all candidates. Overlaps decide between those with most hits, and are added up for these alone.

    Args:
        truths: the truth boxes (M,4) of N cases, as shares of their frames.
        fold: (D,N) fold of each case.
    """
    is_in_fold = (fold[:, None] == np.arange(FOLDS)[:, None]).astype(np.float32)
    hits = np.zeros((len(fold) * FOLDS, len(CANDIDATES)), dtype=np.float32)  # counts are exact
    for block, overlap in overlaps_by_block(truths, CANDIDATES):
        of_block = is_in_fold[:, :, block].reshape(len(hits), -1)
        hits += of_block @ (overlap > HIT_IOU).astype(np.float32)
    by_fold = hits.reshape(len(fold), FOLDS, -1)
    of_others = by_fold.sum(axis=1, keepdims=True) - by_fold
    has_most_hits = of_others == of_others.max(axis=-1, keepdims=True)
    some = np.flatnonzero(has_most_hits.any(axis=(0, 1)))
    is_in_others = (1 - is_in_fold).astype(np.float64)
    total = np.zeros((len(fold), FOLDS, len(some)))
    for block, overlap in overlaps_by_block(truths, CANDIDATES[some]):
        total += is_in_others[:, :, block] @ overlap
    total = np.where(has_most_hits[..., some], total.round(COMPARED_DECIMALS), -np.inf)
    side_along_x, side_along_y = CANDIDATES[some[total.argmax(axis=-1)]].transpose(2, 0, 1)
    x, y = CANDIDATE_SIDES[side_along_x], CANDIDATE_SIDES[side_along_y]
    return np.stack([x[..., 0], y[..., 0], x[..., 1], y[..., 1]], axis=-1)


def overlaps_by_block(
    truths: Sequence[FloatArray], candidates: NDArray[np.int64]
) -> Iterator[tuple[slice, FloatArray]]:
    """Yield the IoU (n,C) of ``candidates`` with the best truth box of each case, for n of the N cases at a time."""
    along_x, along_y = candidates.T
    areas = AREAS[along_x, along_y]
    for start in range(0, len(truths), CASES_PER_BLOCK):
        block = slice(start, start + CASES_PER_BLOCK)
        overlap = np.zeros((len(truths[block]), len(candidates)))
        for row, boxes in zip(overlap, truths[block], strict=True):
            for x0, y0, x1, y1 in boxes:
                shared = shared_length(x0, x1)[along_x] * shared_length(y0, y1)[along_y]
                iou = shared / (areas + (x1 - x0) * (y1 - y0) - shared)
                np.maximum(row, iou, out=row)
        yield block, overlap
