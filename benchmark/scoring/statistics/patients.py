"""Sums of cases by patient: statistics resample patients, not images, since images of a patient resemble each other.

A case is one finding of one image, so a patient has many cases.

``CaseIndex`` has the finding, patient and training run of each case, for thresholds, folds and resamples. Every score
is a ratio of sums over cases (hits / cases, localized boxes / truth boxes), so resampling, jackknife and sign flips
only need a sum per patient.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import BadValueError
from core.types import FloatArray

Numbers = TypeVar("Numbers", FloatArray, NDArray[np.float32])
SHARED_SUFFIX = "@shared"
"""Suffix of a metric whose score threshold all findings share, and the key of that threshold."""


@dataclass(frozen=True, eq=False)
class CaseIndex:
    """Finding, patient and training run of N cases."""

    findings: NDArray[np.str_]
    """(N,)."""
    patients: NDArray[np.str_]
    """(N,)."""
    trainings: NDArray[np.int64]
    """(N,) index of the training run whose network produced the map."""

    @classmethod
    def of(
        cls, findings: Sequence[str], patients: Sequence[str], trainings: Sequence[int] | None = None
    ) -> "CaseIndex":
        """Create an index; by default, all maps are of one training run."""
        numbers = np.asarray([0] * len(findings) if trainings is None else trainings, dtype=np.int64)
        return cls(np.asarray(findings, dtype=str), np.asarray(patients, dtype=str), numbers)

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self.findings)

    def groups(self, shared: bool) -> dict[str, NDArray[np.bool_]]:
        """Return masks (N,) of the cases that share a threshold: by finding, or all as ``@shared``."""
        if shared:
            return {SHARED_SUFFIX: np.ones(len(self), dtype=bool)}
        return {str(finding): self.findings == finding for finding in np.unique(self.findings)}


@dataclass(frozen=True, eq=False)
class Sums:
    """Numerators and denominators: P patients × F findings × M columns (metrics, thresholds or records)."""

    numerator: FloatArray
    """(P,F,M)."""
    denominator: FloatArray
    """(P,F,M), 0 if the patient has no case of the finding."""

    @property
    def present(self) -> NDArray[np.bool_]:
        """(P,F,M) True for patients with a case of the finding."""
        return self.denominator > 0

    @property
    def value(self) -> FloatArray:
        """(F,M) sum of numerators / sum of denominators; nan for a finding without cases."""
        return ratio(self.numerator.sum(0), self.denominator.sum(0))

    @property
    def without(self) -> FloatArray:
        """(P,F,M) value without each patient (jackknife)."""
        return ratio(self.numerator.sum(0) - self.numerator, self.denominator.sum(0) - self.denominator)


def by_patient(
    numerator: ArrayLike, denominator: ArrayLike, findings: ArrayLike, patients: ArrayLike, names: Sequence[str]
) -> Sums:
    """Sum numerators and denominators (N,M) of cases by patient (sorted) and finding.

    ``findings`` and ``patients`` (N,) are those of the cases. ``names``: the findings of the result, in order.

    Raises ``BadValueError`` if the four arrays have different lengths.

    >>> sums = by_patient([[1.0], [0.0], [1.0]], [[1.0]] * 3, ["mass"] * 3, ["p", "p", "q"], ["mass"])
    >>> sums.numerator.ravel().tolist()
    [1.0, 1.0]
    """
    above, below = (np.asarray(values, dtype=np.float64) for values in (numerator, denominator))
    finding_of, patient_of = np.asarray(findings, dtype=str), np.asarray(patients, dtype=str)
    if above.shape != below.shape or not len(above) == len(finding_of) == len(patient_of):
        shapes = f"{above.shape}, {below.shape}, {finding_of.shape} and {patient_of.shape}"
        raise BadValueError(f"arrays of shapes {shapes} do not match: give one row, finding and patient per case")
    people, person = np.unique(patient_of, return_inverse=True)
    number, case = np.nonzero(np.asarray(names, dtype=str)[:, None] == finding_of)
    sums = np.zeros((2, len(people), len(names), above.shape[1]))
    for side, values in zip(sums, (above, below), strict=True):
        np.add.at(side, (person[case], number), values[case])
    return Sums(*sums)


def ratio(numerator: Numbers, denominator: Numbers) -> Numbers:
    """Return ``numerator`` / ``denominator``; nan for a denominator of 0."""
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)
