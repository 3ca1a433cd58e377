"""The score of a row that was selected as the best: it overstates what the row scores on other patients."""

import numpy as np

from locus.benchmark.scoring.statistics.resample import Sums, mean, ratio
from locus.core.types import generator

SPLIT_COUNT = 200


def corrected_best(sums: Sums, seed: int = 0) -> float:
    """Return the score of the best of M rows without the advantage of its selection.

    The best row is chosen on half of the patients and scored on the others: mean over 200 random halves. ``sums``
    (P,F,M): hits and cases by patient and finding. Findings without a case in a half are left out of its means.

    >>> numerator = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])  # two patients, one finding: each row hits one of them
    >>> corrected_best(Sums(numerator, np.ones((2, 1, 2))))
    0.0
    """
    random, scores = generator(seed, "halves"), []
    for _ in range(SPLIT_COUNT):
        order = random.permutation(len(sums.numerator))
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        first, second = (mean(ratio(sums.numerator[h].sum(0), sums.denominator[h].sum(0)), 0) for h in halves)
        scores.append(second[np.nanargmax(first)])
    return float(np.mean(scores))
