"""Where a score threshold comes from: from which cases it is chosen, and for which.

A threshold that is chosen on the truth which it is scored on flatters (origin ``oracle``, an upper bound).
Cross-fitted: the patients are dealt into folds, each fold's threshold is chosen on the others, so every case is scored
once and never at a threshold that its own patient helped to choose. ``validation``: chosen on images of the validation
split, within one training, since another network's maps are on another scale. Each per finding, or one threshold
``shared`` by all findings: then every case has one say, as in the pooled curve of Choe et al. 2020. ``fixed`` and
``otsu`` look at no truth at all.

How the best threshold of some cases is found, a selector says: from a list in ``benchmark.thresholds.sampled``, of all
numbers in ``benchmark.thresholds.exact``.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmark.records.score import Origin
from benchmark.statistics.case_index import SHARED_SUFFIX, CaseIndex
from core.seeds import patient_folds
from core.types import FloatArray

ThresholdKey = tuple[Origin, str]
"""An origin and, for thresholds that all findings share, the suffix of its metrics."""
ThresholdsByOrigin = Mapping[ThresholdKey, FloatArray]
"""(N,) the threshold of each case, nan where nobody could choose one."""

FOLDS = 5
DIGITS = 12
"""Thresholds and mean qualities that differ less are equal: only rounding parts them."""
CROSS_FITTED: ThresholdKey = ("cross-fitted", "")
"""Chosen on other patients, per finding."""


class ThresholdSelector(Protocol):
    """Cases with truth, of which any subset has a best threshold."""

    def best(self, subset: NDArray[np.int64]) -> float:
        """The best threshold of the ``subset`` of the cases, at least one."""


def choose(
    selector: ThresholdSelector,
    index: CaseIndex,
    default: float,
    seed: int = 0,
    validation: tuple[ThresholdSelector, CaseIndex] | None = None,
) -> dict[ThresholdKey, FloatArray]:
    """Every origin that looks at truth, per finding and shared -> (N,) the threshold of each case of ``index``.

    ``default`` as in ``cross_fitted``. Without ``validation`` cases there is no such origin.
    """
    out: dict[ThresholdKey, FloatArray] = {}
    for shared, suffix in ((False, ""), (True, SHARED_SUFFIX)):
        out["cross-fitted", suffix] = cross_fitted(selector, index, default, seed, shared)
        out["oracle", suffix] = oracle(selector, index, shared)
        if validation is not None and len(validation[1].findings):
            out["validation", suffix] = from_validation(*validation, index, shared)
    return out


def oracle(selector: ThresholdSelector, index: CaseIndex, shared: bool = False) -> FloatArray:
    """(N,) the best threshold of the very cases that are scored at it."""
    chosen = np.full(len(index.findings), np.nan)
    for group in index.groups(shared):
        if group.any():
            chosen[group] = selector.best(np.flatnonzero(group))
    return chosen


def cross_fitted(
    selector: ThresholdSelector, index: CaseIndex, default: float, seed: int = 0, shared: bool = False
) -> FloatArray:
    """(N,) the best threshold of the other folds' patients; the ``default`` where they have no such case."""
    chosen, fold = np.full(len(index.findings), float(default)), patient_folds(index.patients.tolist(), FOLDS, seed)
    for group in index.groups(shared):
        for number in np.unique(fold[group]):
            others = np.flatnonzero(group & (fold != number))
            if len(others):
                chosen[group & (fold == number)] = selector.best(others)
    return chosen


def from_validation(
    selector: ThresholdSelector, validation_index: CaseIndex, index: CaseIndex, shared: bool = False
) -> FloatArray:
    """(N,) the best threshold of the validation cases of the same training, nan without any.

    ``validation_index`` is that of the ``selector``'s cases.
    """
    chosen = np.full(len(index.findings), np.nan)
    for group in index.groups(shared):
        for number in np.unique(index.trainings[group]):
            finding = validation_index.findings == index.findings[group.argmax()]
            validation_cases = np.flatnonzero((validation_index.trainings == number) & (finding | shared))
            if len(validation_cases):
                chosen[group & (index.trainings == number)] = selector.best(validation_cases)
    return chosen


def distinct_thresholds(
    chosen: ThresholdsByOrigin, findings: NDArray[np.str_], values: Sequence[object] | None = None
) -> dict[Origin, dict[str, list[object]]]:
    """Origin -> finding (or ``@shared``) -> the distinct thresholds that were chosen, ascending: what a record states.

    Numbers to six digits, or the ``values`` of a list at the chosen indices. Empty where nobody could choose; Otsu's,
    each map's own, are not stated.
    """
    out: dict[Origin, dict[str, list[object]]] = {}
    for (origin, suffix), by_case in chosen.items():
        if origin == "otsu":
            continue
        for name, thresholds in [(SHARED_SUFFIX, by_case)] if suffix else _by_finding(by_case, findings):
            distinct = np.unique(thresholds[np.isfinite(thresholds)].round(6)).tolist()
            out.setdefault(origin, {})[name] = (
                distinct if values is None else [values[int(index)] for index in distinct]
            )
    return out


def _by_finding(by_case: FloatArray, findings: NDArray[np.str_]) -> Iterator[tuple[str, FloatArray]]:
    return ((str(finding), by_case[findings == finding]) for finding in np.unique(findings))
