"""Baselines that use the truth: ``prior`` and ``fixed_box`` (usual location of a finding), ``truth`` (upper bound).

``fixed_box`` is one box per finding, the same for every image. It knows where a finding usually is and how large, and
never looks at an image; ``prior`` knows the same as a map. ``truth`` is the truth on the grid of a network.

They are not methods: they use only boxes and masks, no images. Tables mark them; ``truth`` is never ranked.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from locus.core.errors import NotAvailableError
from locus.core.frames import Grid, as_boxes, box_coverage, conventional, side_coverage
from locus.core.types import FloatArray, Sample, patient_folds

if TYPE_CHECKING:
    from scipy import sparse

FloatMap = NDArray[np.float32]


class Prior:
    """Per finding, the mean of other patients' truth boxes, drawn as filled rectangles; values in [0,1].

    Patients are split into ``folds`` seeded folds; a case uses only boxes of the other folds, and no image. A strong
    baseline, since it knows the usual location of a finding. Maps are ``side`` x ``side`` over the whole image.
    """

    name: ClassVar[str] = "prior"

    def __init__(self, folds: int = 5, seed: int = 0, side: int = 32) -> None:
        """Set ``side``, the number of positions along each side of the map."""
        self.folds, self.seed, self.side = folds, seed, side

    def maps(
        self, samples: Sequence[Sample], findings: Sequence[str], grid: Grid, shape: tuple[int, int]
    ) -> tuple[FloatMap, Grid]:
        """Return the map of the other folds' truth for each sample and finding.

        Args:
            samples: N images with truth boxes.
            findings: K findings.
            grid: only the size of its input is used.
            shape: not used; the maps have the side of this baseline.

        Returns:
            Maps (N,K,side,side) and their grid.
        """
        fold, means = self.by_fold(samples, findings)
        return means[fold], conventional(grid.size, (self.side, self.side))

    def by_fold(
        self, samples: Sequence[Sample], findings: Sequence[str]
    ) -> tuple[NDArray[np.int64], FloatMap]:
        """Return the fold of each sample (N,) and the prior maps of each fold (folds,K,side,side).

        A fold's maps are the mean truth of the other folds.
        """
        fold = patient_folds([sample.patient_id for sample in samples], self.folds, self.seed)
        out = np.zeros((self.folds, len(findings), self.side, self.side), dtype=np.float32)
        for k, finding in enumerate(findings):
            held = np.array([finding in sample.boxes for sample in samples])
            drawn = np.stack([self._draw(sample, finding) for sample in samples])
            for number in range(self.folds):
                others = held & (fold != number)
                if others.any():
                    out[number, k] = drawn[others].mean(0)
        return fold, out

    def _draw(self, sample: Sample, finding: str) -> FloatArray:
        return box_coverage(sample.boxes.get(finding, []), sample.frame, (self.side, self.side))


class Truth:
    """The truth on the model's grid: the upper bound for any map at this resolution; values in [0,1].

    Each position is the mean of the mask (or the boxes) over the stride-wide square around it, clipped to the image.
    """

    name: ClassVar[str] = "truth"

    def maps(
        self, samples: Sequence[Sample], findings: Sequence[str], grid: Grid, shape: tuple[int, int]
    ) -> tuple[FloatMap, Grid]:
        """Return the share of each cell that the truth covers.

        Args:
            samples: N images.
            findings: K findings.
            grid: positions of the cells in the network's input.
            shape: rows and columns (h, w) of the maps.

        Returns:
            Maps (N,K,h,w) with values in [0,1], and ``grid``.
        """
        out = np.zeros((len(samples), len(findings), *shape), dtype=np.float32)
        for n, sample in enumerate(samples):
            rows, columns = _windows(grid, shape, sample.frame)
            one_pixel_each = shape == sample.frame and grid == conventional(grid.size, shape)
            masks = sample.masks
            for k, finding in enumerate(findings):
                if finding in masks and one_pixel_each:  # the same as below, ten times as fast
                    out[n, k] = masks[finding]
                elif finding in masks:
                    out[n, k] = rows @ masks[finding].astype(np.float64) @ columns.T
                elif (
                    len(boxes := sample.boxes.get(finding, ())) == 1
                ):  # the same as below, a hundred times as fast
                    of_rows, of_columns = side_coverage(boxes[0], sample.frame)  # type: ignore[misc]  # not ()
                    out[n, k] = np.outer(rows @ of_rows, columns @ of_columns)
                elif len(boxes):
                    out[n, k] = (
                        rows
                        @ box_coverage(sample.boxes[finding], sample.frame, sample.frame)
                        @ columns.T
                    )
        return out, grid


BASELINES: dict[str, type[Prior] | type[Truth]] = {part.name: part for part in (Prior, Truth)}


@functools.lru_cache(maxsize=16)
def _windows(
    grid: Grid, shape: tuple[int, int], frame: tuple[int, int]
) -> tuple["sparse.csr_array", "sparse.csr_array"]:
    """Return weights (h, H) and (w, W) that average the pixels of a stride-wide window around each row and column.

    They are sparse, and cached because the images of a data set often have one size.
    """
    rows, columns = (
        _window(centres, half_width=stride * side / size / 2, side=side)
        for centres, stride, size, side in zip(
            grid.centres(shape, frame), grid.stride, grid.size, frame, strict=True
        )
    )
    return rows, columns


def _window(centres: FloatArray, half_width: float, side: int) -> "sparse.csr_array":
    """Return the weights (h, side) of one axis, whose windows have these ``centres`` (h,)."""
    from scipy import sparse  # imported late, because a picture does not need it

    edges = np.arange(side)
    overlap = np.minimum(centres[:, None] + half_width, edges + 1) - np.maximum(
        centres[:, None] - half_width, edges
    )
    overlap = np.clip(overlap, 0, 1)
    total = overlap.sum(1, keepdims=True)
    return sparse.csr_array(np.divide(overlap, total, out=np.zeros_like(overlap), where=total > 0))


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
    """Return the fixed box of each finding for each sample, chosen on the patients of the other folds.

    Of all boxes whose corners are on the lattice of the frame, with less than half of its area and three quarters of
    its width, it is the one that hits most of the other folds' cases at IoU > .3; ties go to the larger mean IoU.

    Args:
        samples: images with a truth box.
        findings: the findings; those without any box are left out.
        folds: number of patient folds.
        seed: seed of the patient folds.

    Returns:
        For each sample: finding -> (4,) box xyxy in the frame of the sample.

    Raises:
        NotAvailableError: a finding has boxes, but of fewer than five patients.
    """
    fold = patient_folds([sample.patient_id for sample in samples], folds, seed)
    chosen = {
        finding: _choose(samples, finding, fold, folds)
        for finding in findings
        if _has_any(samples, finding)
    }
    return [
        {
            finding: boxes[number] * np.tile(sample.frame[::-1], 2)
            for finding, boxes in chosen.items()
        }
        for sample, number in zip(samples, fold.tolist(), strict=True)
    ]


def _has_any(samples: Sequence[Sample], finding: str) -> bool:
    return any(finding in sample.boxes for sample in samples)


def _choose(
    samples: Sequence[Sample], finding: str, fold: NDArray[np.int64], folds: int
) -> FloatArray:
    """Return the (folds,4) boxes of one finding, as shares of the frame."""
    held = [n for n, sample in enumerate(samples) if finding in sample.boxes]
    if (patients := len({samples[n].patient_id for n in held})) < MIN_PATIENTS:
        raise NotAvailableError(
            f"{finding} has boxes of {patients} patients: fixed_box needs at least {MIN_PATIENTS}"
        )
    shape = len(CANDIDATE_SIDES), len(CANDIDATE_SIDES)
    hits, total = np.zeros((folds, *shape), np.int32), np.zeros((folds, *shape))
    for n in held:
        truth = as_boxes(samples[n].boxes[finding]) / np.tile(samples[n].frame[::-1], 2)
        overlap = np.max([_iou_of_all(box) for box in truth], axis=0)
        hits[fold[n]] += overlap > HIT_IOU
        total[fold[n]] += overlap
    others = [
        (hits.sum(0) - one, total.sum(0) - of_one) for one, of_one in zip(hits, total, strict=True)
    ]
    best = [
        np.lexsort((-mean[ALLOWED_CANDIDATES], -count[ALLOWED_CANDIDATES]))[0]
        for count, mean in others
    ]
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
        np.maximum(
            np.minimum(CANDIDATE_SIDES[:, 1], high) - np.maximum(CANDIDATE_SIDES[:, 0], low), 0
        )
        for low, high in (truth[[0, 2]], truth[[1, 3]])
    )
    shared = np.outer(x, y)
    return np.asarray(shared / (AREAS + (truth[2] - truth[0]) * (truth[3] - truth[1]) - shared))
