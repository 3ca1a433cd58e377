"""Origins of score thresholds: the cases on which they are chosen, and the cases they apply to.

A threshold chosen on the truth it is scored on overstates the score (origin ``oracle``, an upper bound).
Cross-fitted: patients are split into folds and each fold's threshold is chosen on the others, so every case is scored
once, at a threshold chosen without its own patient. ``validation``: chosen on images of the validation split, within
one training run, since another network's maps have another scale. Each origin has one threshold per finding, or one
``shared`` by all findings; every case then counts once, as in the pooled curve of Choe et al. 2020. ``fixed`` and
``otsu`` use no truth at all.

A selector finds the best threshold of some cases: ``SampledThresholds`` in a list,
``benchmark.scoring.thresholds.exact`` among all numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.scoring.statistics.patients import SHARED_SUFFIX, CaseIndex
from core.scores import Origin
from core.seeds import patient_folds
from core.types import FloatArray

ThresholdKey = tuple[Origin, str]
"""An origin and, for thresholds that all findings share, the suffix of its metrics."""
ThresholdsByOrigin = dict[ThresholdKey, FloatArray]
"""(N,) threshold of each case, nan if none could be chosen."""

FOLDS = 5
DIGITS = 12
"""Thresholds and mean qualities are equal to this many digits: smaller differences are rounding."""
CROSS_FITTED: ThresholdKey = ("cross-fitted", "")
"""Chosen on other patients, per finding."""


class ThresholdSelector(Protocol):
    """Cases with truth; each subset has a best threshold."""

    def best(self, subset: NDArray[np.int64]) -> float:
        """Return the best threshold of a non-empty ``subset`` of the cases."""


@dataclass(frozen=True, eq=False)
class SampledThresholds:
    """N cases at a list of T thresholds; a threshold is its index in the list. A ``ThresholdSelector``."""

    hits: NDArray[np.bool_]
    """(N,T)."""
    quality: FloatArray
    """(N,T) tie breaker between thresholds with equal numbers of hits."""

    def best(self, subset: NDArray[np.int64]) -> float:
        """Return the index with most hits; ties: mean quality, then the lowest.

        >>> hits, quality = np.array([[0, 1, 1], [1, 1, 1]], bool), np.array([[.1, .4, .5], [.6, .4, .5]])
        >>> SampledThresholds(hits, quality).best(np.array([0, 1]))
        2.0
        """
        count = self.hits[subset].sum(0)
        return float(np.where(count == count.max(), self.quality[subset].mean(0).round(DIGITS), -np.inf).argmax())


def at_index(table: NDArray[np.generic], chosen: ArrayLike) -> FloatArray:
    """(N,T) values, (N,) indices in the list -> (N,) value of each case at its index; nan for an index of nan.

    >>> at_index(np.array([[1, 2], [3, 4]]), [1, np.nan]).tolist()
    [2.0, nan]
    """
    index = np.asarray(chosen, dtype=np.float64)
    chosen_cases = np.isfinite(index)
    values = table[np.arange(len(index)), np.where(chosen_cases, index, 0).astype(np.int64)]
    return np.where(chosen_cases, values, np.nan)


Indexed = tuple[ThresholdSelector, CaseIndex]
"""A selector and the finding, patient and training of its cases."""


def choose(scored: Indexed, default: float, seed: int = 0, validation: Indexed | None = None) -> ThresholdsByOrigin:
    """Return every origin that uses truth, per finding and shared -> (N,) threshold of each case.

    ``default`` as in ``cross_fitted``. Without ``validation`` cases that origin is missing.
    """
    out: ThresholdsByOrigin = {}
    for shared, suffix in ((False, ""), (True, SHARED_SUFFIX)):
        out["cross-fitted", suffix] = cross_fitted(*scored, default, seed, shared)
        out["oracle", suffix] = oracle(*scored, shared)
        if validation is not None and len(validation[1]):
            out["validation", suffix] = from_validation(*validation, scored[1], shared)
    return out


def oracle(selector: ThresholdSelector, index: CaseIndex, shared: bool = False) -> FloatArray:
    """(N,) best threshold of the scored cases themselves."""
    chosen = np.full(len(index.findings), np.nan)
    for group in index.groups(shared).values():
        if group.any():
            chosen[group] = selector.best(np.flatnonzero(group))
    return chosen


def cross_fitted(
    selector: ThresholdSelector, index: CaseIndex, default: float, seed: int = 0, shared: bool = False
) -> FloatArray:
    """(N,) best threshold of the other folds' patients; the ``default`` if they have no such case."""
    chosen, fold = np.full(len(index.findings), float(default)), patient_folds(index.patients.tolist(), FOLDS, seed)
    for group in index.groups(shared).values():
        for number in np.unique(fold[group]):
            others = np.flatnonzero(group & (fold != number))
            if len(others):
                chosen[group & (fold == number)] = selector.best(others)
    return chosen


def from_validation(
    selector: ThresholdSelector, validation_index: CaseIndex, index: CaseIndex, shared: bool = False
) -> FloatArray:
    """(N,) best threshold of the validation cases of the same training run, nan without any.

    ``validation_index`` is that of the ``selector``'s cases.
    """
    chosen, masks = np.full(len(index.findings), np.nan), validation_index.groups(shared)
    for name, group in index.groups(shared).items():
        for number in np.unique(index.trainings[group]):
            validation_cases = (validation_index.trainings == number) & masks.get(name, False)
            if validation_cases.any():
                chosen[group & (index.trainings == number)] = selector.best(np.flatnonzero(validation_cases))
    return chosen


def distinct_thresholds(
    chosen: ThresholdsByOrigin, index: CaseIndex, values: Sequence[object] | None = None
) -> dict[Origin, dict[str, list[object]]]:
    """Return origin -> finding (or ``@shared``) -> the distinct chosen thresholds, ascending, as stored in a record.

    Numbers to six digits, or the ``values`` of a list at the chosen indices. Empty if none could be chosen. Otsu's
    thresholds differ by map and are left out.
    """
    out: dict[Origin, dict[str, list[object]]] = {}
    for (origin, suffix), thresholds in chosen.items():
        for name, group in index.groups(bool(suffix)).items() if origin != "otsu" else ():
            distinct = np.unique(thresholds[group & np.isfinite(thresholds)].round(6)).tolist()
            numbers = distinct if values is None else [values[int(number)] for number in distinct]
            out.setdefault(origin, {})[name] = numbers
    return out
