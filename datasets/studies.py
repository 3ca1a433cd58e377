"""Scores per study: the maximum over its images."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from core.types import FloatArray


def maximum(values: ArrayLike, studies: Sequence[str]) -> tuple[list[str], FloatArray]:
    """Return the S studies, sorted, and (S,K) the maximum of the (N,K) scores or labels of each study.

    nan (unknown) is ignored unless a study has nothing else. CheXpert is scored this way: Irvin et al., AAAI 2019,
    maximum over the views of a study.

    >>> maximum([[0.1, 0.9], [0.4, 0.2], [0.3, 0.3]], ["b", "b", "a"])[1].tolist()
    [[0.3, 0.3], [0.4, 0.9]]
    """
    names, at = np.unique(np.asarray(studies, dtype=str), return_inverse=True)
    table = np.asarray(values, dtype=np.float64)
    largest = np.full((len(names), table.shape[1]), np.nan)
    np.fmax.at(largest, at.reshape(-1), table)
    return names.tolist(), largest
