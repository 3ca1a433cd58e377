"""Where a score threshold comes from: pure functions on arrays of cases × thresholds.

A threshold that is chosen on the truth which it is scored on flatters (origin ``oracle``, an upper bound). Cross-fitted:
the patients are dealt into folds, each fold's threshold is chosen on the others, so every case is scored once and never
at a threshold that its own patient helped to choose. ``fixed`` looks at no truth at all.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.seeds import patient_folds
from core.types import FloatArray

Index = NDArray[np.int64]
FOLDS = 5


def best(hits: NDArray[np.bool_], quality: FloatArray) -> int:
    """(N,T) hits and (N,T) quality -> the threshold with most hits; ties by mean quality, then the lowest.

    >>> best(np.array([[0, 1, 1], [1, 1, 1]], bool), np.array([[.1, .4, .5], [.6, .4, .5]]))
    2
    """
    count = hits.sum(0)
    return int(np.where(count == count.max(), quality.mean(0), -np.inf).argmax())


def fixed(index: int, n: int) -> Index:
    """(n,) the same threshold for every case."""
    return np.full(n, index, dtype=np.int64)


def oracle(hits: NDArray[np.bool_], quality: FloatArray, findings: Sequence[str]) -> Index:
    """(N,T), (N,T), (N,) finding of each case -> (N,) each finding's best threshold on the very cases that it is scored on."""
    chosen = np.zeros(len(findings), dtype=np.int64)
    of = np.asarray(findings)
    for finding in np.unique(of):
        own = of == finding
        chosen[own] = best(hits[own], quality[own])
    return chosen


def cross_fitted(
    hits: NDArray[np.bool_], quality: FloatArray, findings: Sequence[str], patients: Sequence[str], default: int, seed: int = 0
) -> Index:
    """(N,T), (N,T), (N,) findings, (N,) patients -> (N,) threshold of each case, chosen per finding on the other folds' patients.

    Where the other folds hold no case of the finding, the ``default`` is taken: nothing can be chosen there.
    """
    chosen = fixed(default, len(findings))
    of, fold = np.asarray(findings), patient_folds(patients, FOLDS, seed)
    for finding in np.unique(of):
        for number in np.unique(fold):
            own, others = (of == finding) & (fold == number), (of == finding) & (fold != number)
            if own.any() and others.any():
                chosen[own] = best(hits[others], quality[others])
    return chosen


def stated(chosen: Index, values: Sequence[object], findings: Sequence[str]) -> dict[str, list[object]]:
    """Finding -> the distinct ``values`` that were chosen for its cases, ascending: what a record states."""
    of = np.asarray(findings)
    return {str(finding): [values[i] for i in np.unique(chosen[of == finding])] for finding in np.unique(of)}
