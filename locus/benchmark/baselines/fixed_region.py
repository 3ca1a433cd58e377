"""Baselines that know the training part of a data set and never see an image: ``fixed_point`` and ``fixed_region``.

``fixed_box`` knows other patients of the scored part; these two are for data sets with a published training part.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from locus.core.errors import NotAvailableError
from locus.core.names import FIXED_POINT, FIXED_REGION
from locus.core.types import FloatArray, Sample
from locus.datasets.base import Dataset
from locus.scoring import protocols
from locus.scoring.pixels import MAP_SIDE
from locus.scoring.protocols.base import Case, labelled_pairs, make_case
from locus.scoring.protocols.masks import sampled_truth
from locus.scoring.protocols.pointing import PointingPooled, PointingRule

LATTICE_POINTS = 128
"""Points along each side of the frame, among which ``fixed_point`` is chosen."""


@lru_cache(maxsize=2)
def training_samples(data: Dataset) -> Sequence[Sample]:
    """Return the training part of ``data``. Raises ``NotAvailableError`` if it has none."""
    if data.training_part is None:
        raise NotAvailableError(
            f"{data.name} has no published training part on which a region could be chosen"
        )
    return data.training_part()


def fixed_cases(method: str, protocol: str, data: Dataset, samples: Sequence[Sample]) -> list[Case]:
    """Return the cases of a row that is chosen on the training part.

    ``fixed_point`` is the point with the largest credit on the training part under the rule of the protocol.
    ``fixed_region`` is a map: the share of the finding's training images whose truth has the pixel; the protocol cuts
    it.

    Args:
        method: ``fixed_point``, ``fixed_region`` or ``empty_mask``.
        protocol: name of the protocol that scores the cases.
        data: the split of ``samples``, which has the findings and the training part.
        samples: the scored images.

    Returns:
        One case per labelled pair of image and finding.

    Raises:
        NotAvailableError: ``data`` has no training part.
    """
    pairs = labelled_pairs(samples, data.findings)
    if method == FIXED_POINT:
        rule = protocols.get(protocol)
        credit = rule.credit if issubclass(rule, PointingRule) else PointingPooled.credit
        points = {finding: _best_point(data, finding, credit) for finding in data.findings}
        frame_boxes = {
            finding: np.array([[*(at - 0.5), *(at + 0.5), 1.0]]) for finding, at in points.items()
        }
        return [
            make_case(*pair, None, "conventional", submitted_boxes=frame_boxes[pair[1]])
            for pair in pairs
        ]
    maps = {
        finding: _region(data, finding, empty=method != FIXED_REGION) for finding in data.findings
    }
    return [make_case(*pair, maps[pair[1]], "conventional") for pair in pairs]


def _best_point(
    data: Dataset,
    finding: str,
    credit: Callable[[FloatArray, FloatArray, tuple[int, int]], FloatArray],
) -> FloatArray:
    """Return x, y of the point of the lattice with most credit; of several, the one nearest to their mean."""
    having = [sample for sample in training_samples(data) if finding in sample.boxes]
    height, width = data[0].frame
    x, y = np.meshgrid(
        *((np.arange(LATTICE_POINTS) + 0.5) * side / LATTICE_POINTS for side in (width, height))
    )
    points = np.stack([x.ravel(), y.ravel()], 1)
    total = sum(
        (credit(points, sample.boxes[finding], sample.frame) for sample in having),
        np.zeros(len(points)),
    )
    best = points[total == total.max()]
    return np.asarray(best[((best - best.mean(0)) ** 2).sum(1).argmin()])


def _region(data: Dataset, finding: str, empty: bool) -> FloatArray:
    """Return the mean truth (224,224) of the training images with the finding; zeros if it is to be ``empty``."""
    if empty:
        return np.zeros((MAP_SIDE, MAP_SIDE))
    total, count = np.zeros((MAP_SIDE, MAP_SIDE)), 0
    for sample in training_samples(data):
        if finding in sample.boxes:
            total += sampled_truth(make_case(sample, finding, 1.0, None, "conventional"))
            count += 1
    return total / max(count, 1)
