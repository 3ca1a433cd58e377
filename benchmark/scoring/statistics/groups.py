"""Groups of cases: a label per case, and the same columns within one group.

Labels depend on the truth, the data set's ``meta`` and the classifier alone; "" is unknown and in no group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import roc_curve

from benchmark.scoring.statistics.summary import Column

GroupLabels = NDArray[np.str_]
Mask = NDArray[np.bool_]

SIZES = (0.025, 0.08)
"""Shares of the image between small, medium and large: thirds of 604 of NIH's published boxes (33 %, 33 %, 34 %)."""
AGES = (18, 40, 60)
OLDEST = 120
"""Years; a higher age is an error in the table and counts as unknown."""
MIN_PER_CLASS = 5
"""Smallest number of positives, and of negatives, for a cut-off."""
SMALL_TO_LARGE, YOUNG_TO_OLD = ("small", "medium", "large"), ("0-17", "18-39", "40-59", "60+")
CO_OCCURRENCE, CORRECTNESS = ("single", "co-occurring"), ("wrong", "right")
ORDER = (*SMALL_TO_LARGE, *YOUNG_TO_OLD, *CO_OCCURRENCE, *CORRECTNESS)
"""Order of the groups; words of a data set follow alphabetically."""


def size(shares: ArrayLike) -> GroupLabels:
    """(N,) area of a case's truth (its largest box) as a share of the image -> small, medium or large.

    >>> size([0.01, 0.025, 0.5]).tolist()
    ['small', 'medium', 'large']
    """
    return _bin(shares, SIZES, SMALL_TO_LARGE)


def age(years: ArrayLike) -> GroupLabels:
    """(N,) years, nan where unknown -> 0-17, 18-39, 40-59 or 60+.

    >>> age([17.5, 60, 414, float("nan")]).tolist()
    ['0-17', '60+', '', '']
    """
    ages = np.asarray(years, dtype=np.float64)
    return _bin(np.where((ages >= 0) & (ages <= OLDEST), ages, np.nan), AGES, YOUNG_TO_OLD)


def co_occurrence(findings: ArrayLike) -> GroupLabels:
    """(N,) number of findings in the image of a case, nan if unknown -> single or co-occurring."""
    return _bin(findings, (1.5,), CO_OCCURRENCE)


def prediction_correctness(values: ArrayLike, cut_offs: ArrayLike) -> GroupLabels:
    """(N,) classifier outputs for a present finding, and their cut-offs -> right (at or above) or wrong."""
    outputs, needed = (np.asarray(side, dtype=np.float64) for side in (values, cut_offs))
    return _bin(np.where(np.isnan(outputs) | np.isnan(needed), np.nan, outputs >= needed), (0.5,), CORRECTNESS)


def youden_threshold(values: ArrayLike, labels: ArrayLike) -> float:
    """(N,) logits or the like, (N,) labels, nan unknown -> the value with the largest TPR − FPR; ties: the largest.

    nan if fewer than 5 positives or 5 negatives are known, or if no value separates them better than chance.
    Youden, "Index for rating diagnostic tests", Cancer 3 (1950).

    >>> youden_threshold([-3, -2, -1, 0, 1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 0, 0, 1, 1, 1, 1])
    3.0
    """
    outputs, truth = np.asarray(values, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    is_known = np.isfinite(outputs) & np.isfinite(truth)
    if min((truth[is_known] == 1).sum(), (truth[is_known] == 0).sum()) < MIN_PER_CLASS:
        return np.nan
    fpr, tpr, thresholds = roc_curve(truth[is_known], outputs[is_known])
    gain = (tpr - fpr).round(12)  # ignore rounding between equal shares
    return float(thresholds[gain.argmax()]) if gain.max() > 0 else np.nan


def metadata_groups(metas: Sequence[Mapping[str, Any]], name: str) -> GroupLabels:
    """(N,) ``Sample.meta`` of the cases' images -> the word of one field: view, sex …; None and nan are unknown."""
    values = [meta.get(name) for meta in metas]
    return np.array(["" if value is None or value != value else str(value) for value in values], dtype=str)


def masks(words: GroupLabels) -> dict[str, Mask]:
    """(N,) words -> group -> (N,) mask of its cases; the order of groups does not depend on that of the cases."""
    groups = sorted({*words.tolist()} - {""}, key=lambda word: ((*ORDER, word).index(word), word))
    return {word: words == word for word in groups}


def restrict(column: Column, mask: Mask) -> Column:
    """Restrict a column to one group: other cases do not count, but patients and resamples stay the same."""
    numerator, denominator = (np.where(mask, side, 0) for side in (column.numerator, column.denominator))
    return replace(column, numerator=numerator, denominator=denominator)


def _bin(values: ArrayLike, edges: Sequence[float], words: Sequence[str]) -> GroupLabels:
    """Return the word between two edges; a value on an edge belongs to the upper one; nan is unknown."""
    array = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(array), np.asarray(words, dtype=str)[np.searchsorted(edges, array, side="right")], "")
