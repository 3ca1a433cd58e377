"""The baseline ``prior``: the usual location of a finding, as a map."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from locus.core.baseline import FloatMap, MapBaseline
from locus.core.frames import Grid, box_coverage, conventional
from locus.core.types import FloatArray, Sample, patient_folds


class Prior(MapBaseline):
    """Per finding, the mean of other patients' truth boxes, drawn as filled rectangles; values in [0,1].

    Patients are split into ``folds`` seeded folds; a case uses only boxes of the other folds, and no image. A strong
    baseline, since it knows the usual location of a finding. Maps are ``side`` x ``side`` over the whole image.
    """

    name = "prior"
    why_unranked = "baseline: knows other patients' boxes"
    order = 20
    in_every_suite = True
    is_blind = True
    shares_maps = True

    def __init__(self, folds: int = 5, seed: int = 0, side: int = 32) -> None:
        """Set ``side``, the number of positions along each side of the map."""
        self.folds = folds
        self.seed = seed
        self.side = side

    def geometry(self, grid: Grid, shape: tuple[int, int]) -> tuple[Grid, tuple[int, int]]:
        """Return the grid of maps with the ``side`` of this baseline; only the size of the network's input is used."""
        own_shape = (self.side, self.side)
        return conventional(grid.size, own_shape), own_shape

    def maps(
        self, samples: Sequence[Sample], findings: Sequence[str], grid: Grid, shape: tuple[int, int]
    ) -> FloatMap:
        """Return the map of the other folds' truth for each sample and finding, (N,K,side,side)."""
        fold, means = self.by_fold(samples, findings)
        return means[fold]

    def map_functions(
        self, samples: Sequence[Sample], findings: Sequence[str], grid: Grid, shape: tuple[int, int]
    ) -> list[Callable[[], FloatMap]]:
        """Return a view of the map of its fold and finding for each sample and finding."""
        fold, means = self.by_fold(samples, findings)
        functions: list[Callable[[], FloatMap]] = []
        for number in fold:
            functions += [partial(np.asarray, values) for values in means[number]]
        return functions

    def by_fold(
        self, samples: Sequence[Sample], findings: Sequence[str]
    ) -> tuple[NDArray[np.int64], FloatMap]:
        """Return the fold of each sample (N,) and the prior maps of each fold (folds,K,side,side).

        A fold's maps are the mean truth of the other folds.
        """
        patients = [sample.patient_id for sample in samples]
        fold = patient_folds(patients, self.folds, self.seed)
        means = np.zeros((self.folds, len(findings), self.side, self.side), dtype=np.float32)
        for k, finding in enumerate(findings):
            has_finding = np.array([finding in sample.boxes for sample in samples])
            drawn = np.stack([self._draw(sample, finding) for sample in samples])
            for number in range(self.folds):
                is_other = has_finding & (fold != number)
                if is_other.any():
                    means[number, k] = drawn[is_other].mean(0)
        return fold, means

    def _draw(self, sample: Sample, finding: str) -> FloatArray:
        return box_coverage(sample.boxes.get(finding, []), sample.frame, (self.side, self.side))
