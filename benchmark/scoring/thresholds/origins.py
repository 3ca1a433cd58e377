"""Origins of score thresholds: the cases on which a threshold is chosen.

``oracle``: the scored cases. It overstates the score and is an upper bound. ``cross-fitted``: patients are split into
folds and each fold's threshold is chosen on the other folds, so every case is scored once, at a threshold chosen
without its own patient. ``validation``: the validation images of the same training run, since maps of another network
have another scale. There is one threshold per finding, or one ``shared`` by all findings, for which every case counts
once as in the pooled curve of Choe et al. 2020. ``fixed`` and ``otsu`` do not use the truth.

A selector finds the best threshold of some cases: ``SampledThresholds`` in a list,
``benchmark.scoring.thresholds.exact`` among all numbers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.scoring.statistics.patients import SHARED_SUFFIX, CaseIndex
from core.scores import Origin
from core.seeds import patient_folds
from core.types import FloatArray

ThresholdKey = tuple[Origin, str]
"""An origin, and the suffix of its metrics if all findings share the threshold."""
ThresholdsByOrigin = dict[ThresholdKey, FloatArray]
"""(N,) threshold of each case, nan if none could be chosen."""

Mask = NDArray[np.bool_]
FOLDS = 5
DIGITS = 12
"""Decimals to which thresholds and mean qualities are compared; smaller differences are rounding."""
CROSS_FITTED: ThresholdKey = ("cross-fitted", "")
"""Chosen on other patients, per finding."""


class ThresholdSelector(Protocol):
    """Finds the best threshold of any subset of some cases with truth."""

    def best(self, subset: NDArray[np.int64]) -> float:
        """Return the best threshold of a non-empty ``subset`` of the cases."""


@dataclass(frozen=True, eq=False)
class SampledThresholds:
    """N cases at a list of T thresholds; thresholds are indices in the list. A ``ThresholdSelector``."""

    hits: NDArray[np.bool_]
    """(N,T) hits."""
    quality: FloatArray
    """(N,T) tie-breaker for thresholds with equally many hits."""

    def best(self, subset: NDArray[np.int64]) -> float:
        """Return the index with most hits; ties go to the larger mean quality, then to the lower index.

        >>> hits, quality = np.array([[0, 1, 1], [1, 1, 1]], bool), np.array([[.1, .4, .5], [.6, .4, .5]])
        >>> SampledThresholds(hits, quality).best(np.array([0, 1]))
        2.0
        """
        count = self.hits[subset].sum(0)
        return float(np.where(count == count.max(), self.quality[subset].mean(0).round(DIGITS), -np.inf).argmax())


def at_index(table: NDArray[np.generic], chosen: ArrayLike) -> FloatArray:
    """Return the value (N,) of each case in ``table`` (N,T) at its ``chosen`` index (N,); nan for an index of nan.

    >>> at_index(np.array([[1, 2], [3, 4]]), [1, np.nan]).tolist()
    [2.0, nan]
    """
    index = np.asarray(chosen, dtype=np.float64)
    chosen_cases = np.isfinite(index)
    values = table[np.arange(len(index)), np.where(chosen_cases, index, 0).astype(np.int64)]
    return np.where(chosen_cases, values, np.nan)


Indexed = tuple[ThresholdSelector, CaseIndex]
"""A selector and the index of its cases."""


def choose(scored: Indexed, default: float, seed: int = 0, validation: Indexed | None = None) -> ThresholdsByOrigin:
    """Return the threshold (N,) of each case for all origins that use truth, per finding and shared.

    ``default`` is that of ``cross_fitted``. Without ``validation`` cases, that origin is missing.
    """
    out: ThresholdsByOrigin = {}
    for shared, suffix in ((False, ""), (True, SHARED_SUFFIX)):
        out["cross-fitted", suffix] = cross_fitted(*scored, default, seed, shared)
        out["oracle", suffix] = oracle(*scored, shared)
        if validation is not None and len(validation[1]):
            out["validation", suffix] = from_validation(*validation, scored[1], shared)
    return out


def oracle(selector: ThresholdSelector, index: CaseIndex, shared: bool = False) -> FloatArray:
    """Return the threshold (N,) of each case, chosen on the scored cases."""
    return _chosen(selector, ((group, group) for group in index.groups(shared).values()), np.full(len(index), np.nan))


def cross_fitted(
    selector: ThresholdSelector, index: CaseIndex, default: float, seed: int = 0, shared: bool = False
) -> FloatArray:
    """Return the threshold (N,) of each case, chosen on the other folds; the ``default`` if they have no such case."""
    folds = patient_folds(index.patients.tolist(), FOLDS, seed)
    inside = [(group, folds == number) for group in index.groups(shared).values() for number in np.unique(folds[group])]
    pairs = ((group & fold, group & ~fold) for group, fold in inside)
    return _chosen(selector, pairs, np.full(len(index), float(default)))


def from_validation(
    selector: ThresholdSelector, validation_index: CaseIndex, index: CaseIndex, shared: bool = False
) -> FloatArray:
    """Return the threshold (N,) of each case, chosen on the same training run's validation cases; nan without any.

    ``validation_index`` is the index of the ``selector``'s cases.
    """
    masks = validation_index.groups(shared)
    pairs = (
        (group & (index.trainings == number), (validation_index.trainings == number) & masks.get(name, False))
        for name, group in index.groups(shared).items()
        for number in np.unique(index.trainings[group])
    )
    return _chosen(selector, pairs, np.full(len(index), np.nan))


def _chosen(selector: ThresholdSelector, pairs: Iterable[tuple[Mask, Mask]], default: FloatArray) -> FloatArray:
    """Fill ``default`` (N,) for each mask of cases with the best threshold of the selector's cases in the other."""
    for cases, chosen_on in pairs:
        if chosen_on.any():
            default[cases] = selector.best(np.flatnonzero(chosen_on))
    return default


def distinct_thresholds(
    chosen: ThresholdsByOrigin, index: CaseIndex, values: Sequence[object] | None = None
) -> dict[Origin, dict[str, list[object]]]:
    """Return origin -> finding (or ``@shared``) -> the distinct chosen thresholds, ascending, as stored in a record.

    They are rounded to six digits, or are the ``values`` of a list at the chosen indices; empty if none could be
    chosen. Otsu's thresholds differ from map to map and are left out.
    """
    out: dict[Origin, dict[str, list[object]]] = {}
    for (origin, suffix), thresholds in chosen.items():
        for name, group in index.groups(bool(suffix)).items() if origin != "otsu" else ():
            distinct = np.unique(thresholds[group & np.isfinite(thresholds)].round(6)).tolist()
            numbers = distinct if values is None else [values[int(number)] for number in distinct]
            out.setdefault(origin, {})[name] = numbers
    return out
