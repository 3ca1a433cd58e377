"""The baseline ``fixed_box``: one box per finding, the same for every image.

It knows where a finding usually is and how large, and never looks at an image; ``prior`` knows the same as a map.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from locus.core.baseline import BoxBaseline
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
CANDIDATE_SIDES = np.stack(np.triu_indices(LATTICE_LINES, k=1), axis=1) / (LATTICE_LINES - 1)
"""(S,2) start and end of all sides of a candidate, as shares of the frame's side."""
LENGTHS = CANDIDATE_SIDES[:, 1] - CANDIDATE_SIDES[:, 0]
AREAS = np.outer(LENGTHS, LENGTHS)
"""(S,S) areas of all boxes with corners on the lattice, by their side along x and their side along y."""
ALLOWED_CANDIDATES = (AREAS < MAX_AREA) & (LENGTHS[:, None] < MAX_SIDE)


class FixedBox(BoxBaseline):
    """The box that hits most of other patients' truth boxes.

    Of all boxes whose corners are on the lattice of the frame, with less than half of its area and three quarters of
    its width, it is the one that hits most of the other folds' cases at IoU > .3; ties go to the larger mean IoU.
    """

    name = "fixed_box"
    why_unranked = "baseline: knows other patients' boxes"
    order = 10
    in_every_suite = True
    is_blind = True
    needs_patients = True

    def __init__(self, folds: int = 5, seed: int = 0) -> None:
        """Set the number of patient folds and their seed."""
        self.folds = folds
        self.seed = seed

    def boxes(
        self, samples: Sequence[Sample], findings: Sequence[str]
    ) -> list[Mapping[str, FloatArray]]:
        """Return the box of each finding for each sample, chosen on the patients of the other folds.

        Args:
            samples: images with a truth box.
            findings: the findings; those without any box are left out.

        Returns:
            For each sample: finding -> (4,) box xyxy in the frame of the sample.

        Raises:
            NotAvailableError: a finding has boxes, but of fewer than five patients.
        """
        patients = [sample.patient_id for sample in samples]
        fold = patient_folds(patients, self.folds, self.seed)
        chosen = {}
        for finding in findings:
            if any(finding in sample.boxes for sample in samples):
                chosen[finding] = _choose(samples, finding, fold, self.folds)
        boxes_by_sample: list[Mapping[str, FloatArray]] = []
        for sample, number in zip(samples, fold.tolist(), strict=True):
            to_frame = np.tile(sample.frame[::-1], 2)
            boxes = {finding: boxes[number] * to_frame for finding, boxes in chosen.items()}
            boxes_by_sample.append(boxes)
        return boxes_by_sample


def _choose(
    samples: Sequence[Sample], finding: str, fold: NDArray[np.int64], folds: int
) -> FloatArray:
    """Return the (folds,4) boxes of one finding, as shares of the frame."""
    with_finding = [n for n, sample in enumerate(samples) if finding in sample.boxes]
    patients = len({samples[n].patient_id for n in with_finding})
    if patients < MIN_PATIENTS:
        raise NotAvailableError(
            f"{finding} has boxes of {patients} patients: fixed_box needs at least {MIN_PATIENTS}"
        )
    shape = len(CANDIDATE_SIDES), len(CANDIDATE_SIDES)
    hits = np.zeros((folds, *shape), np.int32)
    total = np.zeros((folds, *shape))
    for n in with_finding:
        truth = as_boxes(samples[n].boxes[finding]) / np.tile(samples[n].frame[::-1], 2)
        overlap = np.max([_iou_of_all(box) for box in truth], axis=0)
        hits[fold[n]] += overlap > HIT_IOU
        total[fold[n]] += overlap
    best = []
    for fold_hits, fold_total in zip(hits, total, strict=True):
        hits_of_others = (hits.sum(0) - fold_hits)[ALLOWED_CANDIDATES]
        total_of_others = (total.sum(0) - fold_total)[ALLOWED_CANDIDATES]
        best.append(np.lexsort((-total_of_others, -hits_of_others))[0])
    along_x, along_y = np.nonzero(ALLOWED_CANDIDATES)
    x = CANDIDATE_SIDES[along_x[best]]
    y = CANDIDATE_SIDES[along_y[best]]
    return np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1)


def _iou_of_all(truth: FloatArray) -> FloatArray:
    """Return the IoU (S,S) of one box (4,) with all boxes whose corners are on the lattice."""
    x0, y0, x1, y1 = truth
    shared = np.outer(shared_length(x0, x1), shared_length(y0, y1))
    return np.asarray(shared / (AREAS + (x1 - x0) * (y1 - y0) - shared))


def shared_length(start: float, end: float) -> FloatArray:
    """Return the length (S,) that each side of a candidate shares with a side of a box."""
    first = np.maximum(CANDIDATE_SIDES[:, 0], start)
    last = np.minimum(CANDIDATE_SIDES[:, 1], end)
    return np.maximum(last - first, 0)
