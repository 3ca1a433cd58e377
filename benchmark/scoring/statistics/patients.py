"""Cases summed by patient: what is drawn, left out or flipped is a patient, never an image.

``CaseIndex`` says of each case what a threshold is chosen for, a fold parts and a resample draws.

Images of one patient resemble each other. Every number of a table is a ratio of sums over cases (hits / cases,
localized boxes / truth boxes), so a sum per patient is all that a resample, a jackknife or a sign flip has to know.
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
"""How the name of a metric ends whose score threshold all findings share; and whose threshold that is."""


@dataclass(frozen=True, eq=False)
class CaseIndex:
    """Finding, patient and training of N cases."""

    findings: NDArray[np.str_]
    """(N,)."""
    patients: NDArray[np.str_]
    """(N,)."""
    trainings: NDArray[np.int64]
    """(N,) the training whose network made the map."""

    @classmethod
    def of(
        cls, findings: Sequence[str], patients: Sequence[str], trainings: Sequence[int] | None = None
    ) -> "CaseIndex":
        """By default, all maps are of one training."""
        numbers = np.asarray([0] * len(findings) if trainings is None else trainings, dtype=np.int64)
        return cls(np.asarray(findings, dtype=str), np.asarray(patients, dtype=str), numbers)

    def __len__(self) -> int:
        """How many cases."""
        return len(self.findings)

    def groups(self, shared: bool) -> dict[str, NDArray[np.bool_]]:
        """Masks (N,) of the cases that take one threshold: those of each finding, by its name, or all, ``@shared``."""
        if shared:
            return {SHARED_SUFFIX: np.ones(len(self), dtype=bool)}
        return {str(finding): self.findings == finding for finding in np.unique(self.findings)}


@dataclass(frozen=True, eq=False)
class Sums:
    """What counts and against what: P patients × F findings × M columns (metrics, thresholds, cells …)."""

    numerator: FloatArray
    """(P,F,M)."""
    denominator: FloatArray
    """(P,F,M), 0 where the patient has no case of the finding."""

    @property
    def present(self) -> NDArray[np.bool_]:
        """(P,F,M) which patients a number rests on."""
        return self.denominator > 0

    @property
    def value(self) -> FloatArray:
        """(F,M) sum of numerators / sum of denominators; nan for a finding without cases."""
        return ratio(self.numerator.sum(0), self.denominator.sum(0))

    @property
    def without(self) -> FloatArray:
        """(P,F,M) the jackknife: the value when one patient is left out."""
        return ratio(self.numerator.sum(0) - self.numerator, self.denominator.sum(0) - self.denominator)


def by_patient(
    numerator: ArrayLike, denominator: ArrayLike, findings: ArrayLike, patients: ArrayLike, names: Sequence[str]
) -> Sums:
    """(N,M) numerators and denominators, (N,) findings and patients -> sums per patient (sorted) and finding.

    Raises ``BadValueError`` where the four do not speak of the same cases.

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
    """``numerator`` / ``denominator``, nan where there is nothing to divide by: 0/0 is never 0."""
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)
