"""Finding, patient and training of each case: what a threshold is chosen for, a fold parts and a resample draws."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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

    def groups(self, shared: bool) -> list[NDArray[np.bool_]]:
        """Masks (N,) of the cases that take one threshold: those of each finding, or all."""
        if shared:
            return [np.ones(len(self.findings), dtype=bool)]
        return [self.findings == finding for finding in np.unique(self.findings)]
