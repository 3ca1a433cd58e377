"""LROC: images with the finding are rated above images without it, and the finding is located."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from benchmark.scoring.protocols.base import Case
from benchmark.scoring.protocols.confident import NO_NEGATIVE, BoxCases, ConfidenceProtocol, Index
from benchmark.scoring.protocols.pointing import distance
from benchmark.scoring.statistics.patients import Sums, ratio
from benchmark.scoring.statistics.summary import Estimate
from benchmark.scoring.surface.trace import GivenBoxes


class Lroc(ConfidenceProtocol):
    """Probability that a positive is rated above a negative and located correctly (area under the LROC curve).

    An image's rating is the classifier's probability, its location the highest point of the map. A location inside a
    truth box is correct. For submitted boxes: the highest confidence (0 without a box), and the centre of that box.
    Equal ratings count half. Positives and negatives as in ``detection``. Swensson, "Unified measurement of observer
    performance in detecting and localizing target objects on images", Medical Physics 23 (1996).
    """

    name = "lroc"
    main = "lroc"

    def measure(self, batch: BoxCases) -> tuple[list[Estimate], Mapping[str, ArrayLike]]:
        """Return ``lroc``, whose n is the number of positives; rows have ``rating`` and ``located``."""
        rated = np.array([_rating(case) for case in batch.cases]).reshape(-1, 2)
        ratings, right = rated[:, 0], rated[:, 1] > 0
        sums = [_sums(batch, numbers, ratings, right) for numbers in batch.numbers]
        value = np.array([area(one.value[0]) for one in sums], dtype=np.float64)
        n, samples = batch.totals(batch.positive), batch.resampled(sums, area)
        columns = {"truths": batch.truths, "rating": ratings, "located": right}
        return [Estimate("lroc", "none", value, n, samples, reason=NO_NEGATIVE)], columns


def area(columns: Any) -> Any:
    """Return the area (...) under the LROC curve.

    ``columns`` (..., 2·T+2): located positives at each of T ratings, negatives below each; numbers of all positives and
    negatives.

    >>> area(np.array([1.0, 1, 1, 2, 2, 2])).item()  # one positive is above 1 of 2 negatives, the other above both
    0.75
    """
    size = (columns.shape[-1] - 2) // 2
    located, below = columns[..., :size], columns[..., size:-2]
    return ratio((located * below).sum(-1), columns[..., -2] * columns[..., -1])


def _rating(case: Case) -> tuple[float, bool]:
    """Return the rating, 0 if there is none, and whether the highest point is inside a truth box."""
    prediction, _ = case.prediction
    located = prediction is not None and len(case.boxes) > 0 and distance(prediction.peak, case.boxes) == 0
    if case.submitted_boxes is None:
        return case.probability or 0.0, located
    return float(prediction.confidence[0]) if isinstance(prediction, GivenBoxes) else 0.0, located


def _sums(batch: BoxCases, numbers: Index, ratings: Any, right: Any) -> Sums:
    positive = batch.positive[numbers]
    located, negative = numbers[right[numbers]], numbers[~positive]
    keys, at = ratings[negative], np.unique(ratings[located])
    gained = np.diff(batch.cumulative(located, ratings[located], at), axis=1, prepend=0)
    below = batch.cumulative(negative, keys, at) + batch.cumulative(negative, keys, at, "right")
    totals = [batch.per_patient(numbers, side) for side in (positive, ~positive)]
    return batch.sums(numbers, [gained, below / 2, *totals])
