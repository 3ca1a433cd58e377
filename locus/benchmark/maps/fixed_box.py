"""The baseline ``fixed_box``: one box per finding, the same for every image.

It knows where a finding usually is and how large, and never looks at an image. ``prior`` knows the same as a map.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from locus.core.errors import NotAvailableError
from locus.core.frames import as_boxes
from locus.core.types import FloatArray, Sample, patient_folds

LATTICE_LINES = 33
"""Lines of the lattice along each side of the frame; the corners of all candidates are on it."""
MAX_AREA, MAX_SIDE = 0.5, 0.75
"""Candidates have a smaller area and a smaller width, as shares of the frame."""
HIT_IOU = 0.3
"""A candidate hits a case if its IoU with a truth box is larger."""
MIN_PATIENTS = 5
"""Smallest number of patients with a finding."""


def fixed_boxes(
    samples: Sequence[Sample], findings: Sequence[str], folds: int = 5, seed: int = 0
) -> list[Mapping[str, FloatArray]]:
    """Return finding -> (4,) box xyxy in the frame of each sample, chosen on the patients of the other folds.

    Of all boxes whose corners are on the lattice of the frame, with less than half of its area and three quarters of
    its width, it is the one that hits most of the other folds' cases at IoU > .3; ties go to the larger mean IoU.
    ``samples`` are images with a truth box; ``seed`` is that of the patient folds. Raises ``NotAvailableError`` if a
    finding has boxes, but of fewer than five patients.
    """
    fold = patient_folds([sample.patient_id for sample in samples], folds, seed)
    chosen = {finding: _choose(samples, finding, fold, folds) for finding in findings if _has_any(samples, finding)}
    return [
        {finding: boxes[number] * np.tile(sample.frame[::-1], 2) for finding, boxes in chosen.items()}
        for sample, number in zip(samples, fold.tolist(), strict=True)
    ]


def _has_any(samples: Sequence[Sample], finding: str) -> bool:
    return any(finding in sample.boxes for sample in samples)


def _choose(samples: Sequence[Sample], finding: str, fold: NDArray[np.int64], folds: int) -> FloatArray:
    """Return the (folds,4) boxes of one finding, as shares of the frame."""
    held = [n for n, sample in enumerate(samples) if finding in sample.boxes]
    if (patients := len({samples[n].patient_id for n in held})) < MIN_PATIENTS:
        raise NotAvailableError(f"{finding} has boxes of {patients} patients: fixed_box needs at least {MIN_PATIENTS}")
    shape = len(CANDIDATE_SIDES), len(CANDIDATE_SIDES)
    hits, total = np.zeros((folds, *shape), np.int32), np.zeros((folds, *shape))
    for n in held:
        truth = as_boxes(samples[n].boxes[finding]) / np.tile(samples[n].frame[::-1], 2)
        overlap = np.max([_iou_of_all(box) for box in truth], axis=0)
        hits[fold[n]] += overlap > HIT_IOU
        total[fold[n]] += overlap
    others = [(hits.sum(0) - one, total.sum(0) - of_one) for one, of_one in zip(hits, total, strict=True)]
    best = [np.lexsort((-mean[ALLOWED_CANDIDATES], -count[ALLOWED_CANDIDATES]))[0] for count, mean in others]
    x, y = (CANDIDATE_SIDES[indices[best]] for indices in np.nonzero(ALLOWED_CANDIDATES))
    return np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1)


CANDIDATE_SIDES = np.stack(np.triu_indices(LATTICE_LINES, k=1), axis=1) / (LATTICE_LINES - 1)
"""(S,2) start and end of all sides of a candidate, as shares of the frame's side."""
LENGTHS = CANDIDATE_SIDES[:, 1] - CANDIDATE_SIDES[:, 0]
AREAS = np.outer(LENGTHS, LENGTHS)
"""(S,S) areas of all boxes with corners on the lattice, by their side along x and their side along y."""
ALLOWED_CANDIDATES = (AREAS < MAX_AREA) & (LENGTHS[:, None] < MAX_SIDE)


def _iou_of_all(truth: FloatArray) -> FloatArray:
    """Return the IoU (S,S) of one box (4,) with all boxes whose corners are on the lattice."""
    x, y = (
        np.maximum(np.minimum(CANDIDATE_SIDES[:, 1], high) - np.maximum(CANDIDATE_SIDES[:, 0], low), 0)
        for low, high in (truth[[0, 2]], truth[[1, 3]])
    )
    shared = np.outer(x, y)
    return np.asarray(shared / (AREAS + (truth[2] - truth[0]) * (truth[3] - truth[1]) - shared))
