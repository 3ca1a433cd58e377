"""Groups of cases: a label per case, and columns restricted to one group.

Labels depend only on the truth, the data set's ``meta`` and the classifier. The label "" means unknown: no group.
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
"""Limits of small, medium and large, as shares of the image: thirds of 604 published NIH boxes."""
AGES = (18, 40, 60)
OLDEST = 120
"""Years; a higher age is an error in the table and counts as unknown."""
MIN_PER_CLASS = 5
"""Smallest number of positives, and of negatives, for a cut-off."""
SMALL_TO_LARGE, YOUNG_TO_OLD = ("small", "medium", "large"), ("0-17", "18-39", "40-59", "60+")
CO_OCCURRENCE, CORRECTNESS = ("single", "co-occurring"), ("wrong", "right")
ORDER = (*SMALL_TO_LARGE, *YOUNG_TO_OLD, *CO_OCCURRENCE, *CORRECTNESS)
"""Order of the groups; a data set's own words follow in alphabetical order."""


def size(shares: ArrayLike) -> GroupLabels:
    """Return small, medium or large (N,) for the largest truth box of each case, as a share of the image (N,).

    >>> size([0.01, 0.025, 0.5]).tolist()
    ['small', 'medium', 'large']
    """
    return _bin(shares, SIZES, SMALL_TO_LARGE)


def age(years: ArrayLike) -> GroupLabels:
    """Return 0-17, 18-39, 40-59 or 60+ (N,) for ages in years (N,); nan is unknown.

    >>> age([17.5, 60, 414, float("nan")]).tolist()
    ['0-17', '60+', '', '']
    """
    ages = np.asarray(years, dtype=np.float64)
    return _bin(np.where((ages >= 0) & (ages <= OLDEST), ages, np.nan), AGES, YOUNG_TO_OLD)


def co_occurrence(findings: ArrayLike) -> GroupLabels:
    """Return single or co-occurring (N,) for the number of findings in each case's image (N,); nan is unknown."""
    return _bin(findings, (1.5,), CO_OCCURRENCE)


def prediction_correctness(values: ArrayLike, cut_offs: ArrayLike) -> GroupLabels:
    """Return right (at or above the cut-off) or wrong (N,) for classifier outputs (N,) of present findings."""
    outputs, needed = (np.asarray(side, dtype=np.float64) for side in (values, cut_offs))
    return _bin(np.where(np.isnan(outputs) | np.isnan(needed), np.nan, outputs >= needed), (0.5,), CORRECTNESS)


def youden_threshold(values: ArrayLike, labels: ArrayLike) -> float:
    """Return the cut-off with the largest TPR − FPR for outputs (N,) and labels (N,); the largest on ties.

    A label of nan is unknown. nan for fewer than 5 positives or 5 negatives, or if no value separates them better than
    chance. Youden, "Index for rating diagnostic tests", Cancer 3 (1950).

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
    """Return one field (view, sex …) of ``Sample.meta`` of each case's image (N,); None and nan are unknown."""
    values = [meta.get(name) for meta in metas]
    return np.array(["" if value is None or value != value else str(value) for value in values], dtype=str)


def masks(words: GroupLabels) -> dict[str, Mask]:
    """Return group -> mask (N,) of its cases; the order of groups does not depend on the order of the cases."""
    groups = sorted({*words.tolist()} - {""}, key=lambda word: ((*ORDER, word).index(word), word))
    return {word: words == word for word in groups}


def restrict(column: Column, mask: Mask) -> Column:
    """Restrict a column to one group: other cases do not count; patients and resamples stay the same."""
    numerator, denominator = (np.where(mask, side, 0) for side in (column.numerator, column.denominator))
    return replace(column, numerator=numerator, denominator=denominator)


def _bin(values: ArrayLike, edges: Sequence[float], words: Sequence[str]) -> GroupLabels:
    """Return the word between two edges; a value on an edge belongs to the upper one; nan is unknown."""
    array = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(array), np.asarray(words, dtype=str)[np.searchsorted(edges, array, side="right")], "")
