"""Strata: a word per case that says which group it is in, and the same columns within one group.

Words are pure functions of what the per-case rows and the data set's ``meta`` say; "" is unknown and in no group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.statistics.summary import Column

Words = NDArray[np.str_]

SIZES = (0.025, 0.08)
"""Shares of the image that part small, medium and large: thirds of 604 of NIH's published boxes (33 %, 33 %, 34 %)."""
AGES = (18, 40, 60)
OLDEST = 120
"""Years; an age above is a slip in the table, and unknown."""


def size(shares: ArrayLike) -> Words:
    """(N,) area of a case's truth (its largest box) as a share of the image -> small, medium or large.

    >>> size([0.01, 0.025, 0.5]).tolist()
    ['small', 'medium', 'large']
    """
    return _cut(shares, SIZES, ("small", "medium", "large"))


def age(years: ArrayLike) -> Words:
    """(N,) years, nan where unknown -> 0-17, 18-39, 40-59 or 60+.

    >>> age([17.5, 60, 414, float("nan")]).tolist()
    ['0-17', '60+', '', '']
    """
    known = np.asarray(years, dtype=np.float64)
    return _cut(np.where((known >= 0) & (known <= OLDEST), known, np.nan), AGES, ("0-17", "18-39", "40-59", "60+"))


def company(findings: ArrayLike) -> Words:
    """(N,) how many findings the image of a case has -> single or co-occurring."""
    return _cut(findings, (1.5,), ("single", "co-occurring"))


def answer(probability: ArrayLike, cut_off: ArrayLike) -> Words:
    """(N,) what the classifier says of a finding that is there, and its cut-off -> right (at or above it) or wrong."""
    return _cut(np.asarray(probability) - np.asarray(cut_off), (0,), ("wrong", "right"))


def field(metas: Sequence[Mapping[str, Any]], name: str) -> Words:
    """(N,) ``Sample.meta`` of the cases' images -> the word of one field: view, sex …; None and nan are unknown."""
    values = [meta.get(name) for meta in metas]
    return np.array(["" if value is None or value != value else str(value) for value in values], dtype=str)


def masks(words: Words) -> dict[str, NDArray[np.bool_]]:
    """(N,) words -> group -> (N,) its cases, in the order in which groups are first met."""
    return {word: words == word for word in dict.fromkeys(words.tolist()) if word}


def within(column: Column, mask: NDArray[np.bool_]) -> Column:
    """The column of one group: the other cases have no say, but the patients and so the resamples stay the same."""
    return replace(column, part=np.where(mask, column.part, 0), whole=np.where(mask, column.whole, 0))


def _cut(values: ArrayLike, edges: Sequence[float], words: Sequence[str]) -> Words:
    """The word between two edges, a value on an edge belongs above; nan is unknown."""
    known = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(known), np.asarray(words, dtype=str)[np.searchsorted(edges, known, side="right")], "")
