"""Cases summed by patient: what is drawn, left out or flipped is a patient, never an image.

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


@dataclass(frozen=True, eq=False)
class Sums:
    """What counts and against what: P patients × F findings × M columns (metrics, thresholds, cells …)."""

    part: FloatArray
    """(P,F,M)."""
    whole: FloatArray
    """(P,F,M), 0 where the patient has no case of the finding."""

    @property
    def present(self) -> NDArray[np.bool_]:
        """(P,F,M) which patients a number rests on."""
        return self.whole > 0

    @property
    def value(self) -> FloatArray:
        """(F,M) sum of parts / sum of wholes; nan for a finding without cases."""
        return ratio(self.part.sum(0), self.whole.sum(0))

    @property
    def without(self) -> FloatArray:
        """(P,F,M) the jackknife: the value when one patient is left out."""
        return ratio(self.part.sum(0) - self.part, self.whole.sum(0) - self.whole)


def by_patient(
    part: ArrayLike, whole: ArrayLike, findings: ArrayLike, patients: ArrayLike, names: Sequence[str]
) -> Sums:
    """(N,M) parts and wholes, (N,) findings and patients of N cases -> sums per patient (sorted) and finding.

    Raises ``BadValueError`` where the four do not speak of the same cases.

    >>> by_patient([[1.0], [0.0], [1.0]], [[1.0]] * 3, ["mass"] * 3, ["p", "p", "q"], ["mass"]).part.ravel().tolist()
    [1.0, 1.0]
    """
    above, below = (np.asarray(values, dtype=np.float64) for values in (part, whole))
    finding_of, patient_of = np.asarray(findings, dtype=str), np.asarray(patients, dtype=str)
    if above.shape != below.shape or not len(above) == len(finding_of) == len(patient_of):
        shapes = f"parts {above.shape}, wholes {below.shape}, {len(finding_of)} findings, {len(patient_of)} patients"
        raise BadValueError(f"{shapes} are not of the same cases: give one row, one finding and one patient per case")
    people, person = np.unique(patient_of, return_inverse=True)
    is_finding = np.asarray(names, dtype=str)[:, None] == finding_of[None]  # (F, N)
    sums = np.zeros((2, len(people), len(names), above.shape[1]))
    for number, mask in enumerate(is_finding):
        for side, values in enumerate((above, below)):
            np.add.at(sums[side, :, number], person[mask], values[mask])
    return Sums(*sums)


def ratio(part: Numbers, whole: Numbers) -> Numbers:
    """``part`` / ``whole``, nan where there is nothing to divide by: 0/0 is never 0."""
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
