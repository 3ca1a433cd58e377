"""Baselines that use the truth: ``prior`` (usual location of a finding) and ``truth`` (upper bound of the grid).

They are not methods: they use only boxes and masks, no images. Tables mark them; ``truth`` is never ranked.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from locus.core.frames import Grid, box_coverage, conventional, side_coverage
from locus.core.types import FloatArray, Sample, patient_folds

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
        """Return maps (N,K,side,side) for ``samples`` and their grid; only the input's size of ``grid`` is used."""
        fold, means = self.by_fold(samples, findings)
        return means[fold], conventional(grid.size, (self.side, self.side))

    def by_fold(self, samples: Sequence[Sample], findings: Sequence[str]) -> tuple[NDArray[np.int64], FloatMap]:
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
        """Return maps (N,K,h,w) of ``shape`` (h, w) on ``grid``."""
        out = np.zeros((len(samples), len(findings), *shape), dtype=np.float32)
        for n, sample in enumerate(samples):
            rows, columns = _windows(grid, shape, sample.frame)
            masks = sample.masks
            for k, finding in enumerate(findings):
                if finding in masks:
                    out[n, k] = rows @ masks[finding].astype(np.float64) @ columns.T
                elif len(boxes := sample.boxes.get(finding, ())) == 1:  # the same as below, a hundred times as fast
                    of_rows, of_columns = side_coverage(boxes[0], sample.frame)  # type: ignore[misc]  # not ()
                    out[n, k] = np.outer(rows @ of_rows, columns @ of_columns)
                elif len(boxes):
                    out[n, k] = rows @ box_coverage(sample.boxes[finding], sample.frame, sample.frame) @ columns.T
        return out, grid


BASELINES: dict[str, type[Prior] | type[Truth]] = {part.name: part for part in (Prior, Truth)}


def _windows(grid: Grid, shape: tuple[int, int], frame: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Return weights (h, H) and (w, W) that average the pixels of a stride-wide window around each row and column."""
    y, x = grid.centres(shape, frame)
    half = [stride * side / size / 2 for stride, side, size in zip(grid.stride, frame, grid.size, strict=True)]
    return _window(y, half[0], frame[0]), _window(x, half[1], frame[1])


def _window(centres: FloatArray, half: float, side: int) -> FloatArray:
    edges = np.arange(side)
    overlap = np.minimum(centres[:, None] + half, edges + 1) - np.maximum(centres[:, None] - half, edges)
    overlap = np.clip(overlap, 0, 1)
    total = overlap.sum(1, keepdims=True)
    return np.asarray(np.divide(overlap, total, out=np.zeros_like(overlap), where=total > 0))
