"""Baselines that know the training part of a data set and never see an image.

``fixed_box`` knows other patients of the scored part; these are for data sets with a published training part.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import ClassVar

import numpy as np

from locus.core.baseline import Baseline
from locus.core.errors import NotAvailableError
from locus.core.types import FloatArray, Sample
from locus.datasets.base import Dataset
from locus.scoring import protocols
from locus.scoring.pixels import MAP_SIDE
from locus.scoring.protocols.base import Case, labelled_pairs, make_case
from locus.scoring.protocols.masks import sampled_truth
from locus.scoring.protocols.pointing import PointingPooled, PointingRule

LATTICE_POINTS = 128
"""Points along each side of the frame, among which ``fixed_point`` is chosen."""


class TrainingPartBaseline(Baseline, ABC):
    """A row that is chosen on the training part of a data set."""

    name: ClassVar[str]
    why_unranked = "baseline: knows the truth of the training part"
    kind = "training part"
    needs_suite = True
    has_stored_map = False

    @abstractmethod
    def cases(self, protocol: str, data: Dataset, samples: Sequence[Sample]) -> list[Case]:
        """Return one case per labelled pair of image and finding.

        Args:
            protocol: name of the protocol that scores the cases.
            data: the split of ``samples``, which has the findings and the training part.
            samples: the scored images.

        Returns:
            The cases, image by image.

        Raises:
            NotAvailableError: ``data`` has no training part.
        """


class FixedPoint(TrainingPartBaseline):
    """The point with the largest credit on the training part under the rule of the protocol, as a box of one pixel."""

    name = "fixed_point"
    order = 120
    gives_boxes = True

    def cases(self, protocol: str, data: Dataset, samples: Sequence[Sample]) -> list[Case]:
        """Return the cases with the point of their finding."""
        rule = protocols.get(protocol)
        credit = rule.credit if issubclass(rule, PointingRule) else PointingPooled.credit
        boxes = {}
        for finding in data.findings:
            point = _best_point(data, finding, credit)
            boxes[finding] = np.array([[*(point - 0.5), *(point + 0.5), 1.0]])
        return [
            make_case(sample, finding, label, None, "conventional", submitted_boxes=boxes[finding])
            for sample, finding, label in labelled_pairs(samples, data.findings)
        ]


class FixedRegion(TrainingPartBaseline):
    """Map of the share of the finding's training images whose truth has the pixel; the protocol cuts it."""

    name = "fixed_region"
    order = 130

    def cases(self, protocol: str, data: Dataset, samples: Sequence[Sample]) -> list[Case]:
        """Return the cases with the region of their finding."""
        regions = {finding: _region(data, finding) for finding in data.findings}
        return [
            make_case(sample, finding, label, regions[finding], "conventional")
            for sample, finding, label in labelled_pairs(samples, data.findings)
        ]


class EmptyMask(TrainingPartBaseline):
    """A map of zeros: it selects no pixel."""

    name = "empty_mask"
    why_unranked = "baseline: selects nothing"
    order = 140

    def cases(self, protocol: str, data: Dataset, samples: Sequence[Sample]) -> list[Case]:
        """Return the cases with a map of zeros; all cases of a finding share one map."""
        empty = {finding: np.zeros((MAP_SIDE, MAP_SIDE)) for finding in data.findings}
        return [
            make_case(sample, finding, label, empty[finding], "conventional")
            for sample, finding, label in labelled_pairs(samples, data.findings)
        ]


@lru_cache(maxsize=2)
def training_samples(data: Dataset) -> Sequence[Sample]:
    """Return the training part of ``data``. Raises ``NotAvailableError`` if it has none."""
    if data.training_part is None:
        raise NotAvailableError(
            f"{data.name} has no published training part on which a region could be chosen"
        )
    return data.training_part()


def _best_point(
    data: Dataset,
    finding: str,
    credit: Callable[[FloatArray, FloatArray, tuple[int, int]], FloatArray],
) -> FloatArray:
    """Return x, y of the point of the lattice with most credit; of several, the one nearest to their mean."""
    height, width = data[0].frame
    centres = (np.arange(LATTICE_POINTS) + 0.5) / LATTICE_POINTS
    x, y = np.meshgrid(centres * width, centres * height)
    points = np.stack([x.ravel(), y.ravel()], 1)
    total = np.zeros(len(points))
    for sample in training_samples(data):
        if finding in sample.boxes:
            total = total + credit(points, sample.boxes[finding], sample.frame)
    best = points[total == total.max()]
    squared_distance = ((best - best.mean(0)) ** 2).sum(1)
    return np.asarray(best[squared_distance.argmin()])


def _region(data: Dataset, finding: str) -> FloatArray:
    """Return the mean truth (224,224) of the training images with the finding."""
    total = np.zeros((MAP_SIDE, MAP_SIDE))
    count = 0
    for sample in training_samples(data):
        if finding in sample.boxes:
            total += sampled_truth(make_case(sample, finding, 1.0, None, "conventional"))
            count += 1
    return total / max(count, 1)
