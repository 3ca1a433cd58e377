"""Cases summed by patient: patients are drawn, left out or flipped, never images.

``CaseIndex`` has the finding, patient and training run of each case, for thresholds, folds and resamples.

Images of one patient resemble each other. Every number of a table is a ratio of sums over cases (hits / cases,
localized boxes / truth boxes), so resampling, jackknife and sign flips need only a sum per patient.
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
    """(N,) the training run whose network made the map."""

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
    """Numerators and denominators: P patients × F findings × M columns (metrics, thresholds, cells …)."""

    numerator: FloatArray
    """(P,F,M)."""
    denominator: FloatArray
    """(P,F,M), 0 if the patient has no case of the finding."""

    @property
    def present(self) -> NDArray[np.bool_]:
        """(P,F,M) patients with a case behind the number."""
        return self.denominator > 0

    @property
    def value(self) -> FloatArray:
        """(F,M) sum of numerators / sum of denominators; nan for a finding without cases."""
        return ratio(self.numerator.sum(0), self.denominator.sum(0))

    @property
    def without(self) -> FloatArray:
        """(P,F,M) the jackknife: the value without each patient."""
        return ratio(self.numerator.sum(0) - self.numerator, self.denominator.sum(0) - self.denominator)


def by_patient(
    numerator: ArrayLike, denominator: ArrayLike, findings: ArrayLike, patients: ArrayLike, names: Sequence[str]
) -> Sums:
    """(N,M) numerators and denominators, (N,) findings and patients -> sums per patient (sorted) and finding.

    Raises ``BadValueError`` if the four arrays have different lengths.

    >>> sums = by_patient([[1.0], [0.0], [1.0]], [[1.0]] * 3, ["mass"] * 3, ["p", "p", "q"], ["mass"])
    >>> sums.numerator.ravel().tolist()
    [1.0, 1.0]
    """
    above, below = (np.asarray(values, dtype=np.float64) for values in (numerator, denominator))
    finding_of, patient_of = np.asarray(findings, dtype=str), np.asarray(patients, dtype=str)
    if above.shape != below.shape or not len(above) == len(finding_of) == len(patient_of):
        shapes = f"parts {above.shape}, wholes {below.shape}, {len(finding_of)} findings, {len(patient_of)} patients"
        raise BadValueError(f"{shapes} are not of the same cases: give one row, one finding and one patient per case")
    people, person = np.unique(patient_of, return_inverse=True)
    number, case = np.nonzero(np.asarray(names, dtype=str)[:, None] == finding_of)
    sums = np.zeros((2, len(people), len(names), above.shape[1]))
    for side, values in zip(sums, (above, below), strict=True):
        np.add.at(side, (person[case], number), values[case])
    return Sums(*sums)


def ratio(numerator: Numbers, denominator: Numbers) -> Numbers:
    """``numerator`` / ``denominator``, nan for a denominator of 0: 0/0 is never 0."""
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)
