"""ROAD's noisy linear imputation, solved exactly: removed pixels are the weighted means of their neighbours.

Rong et al., "A consistent and efficient evaluation strategy for attribution methods", ICML 2022, section 5.1: straight
neighbours have weight 1/6, diagonal ones 1/12. The equations are symmetric, positive definite and banded, so a banded
Cholesky decomposition is 4 to 10 times faster than the general sparse solver of the authors and of grad-cam.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

Pixels = NDArray[np.floating[Any]]
Index = NDArray[np.int64]
WEIGHTS = {(0, 1): 1 / 6, (1, -1): 1 / 12, (1, 0): 1 / 6, (1, 1): 1 / 12}
"""(down, right) -> weight of this neighbour and of the opposite one."""
NOISE = 0.01
"""Standard deviation of the noise added to imputed pixels, in units of the network's input, as in the authors' code."""


def impute(image: Pixels, removed: NDArray[np.bool_]) -> Pixels:
    """Impute the ``removed`` pixels (H,W) of an image (C,H,W), without noise; 0 if all pixels are removed.

    >>> impute(np.array([[[0.0, 7.0, 3.0]]]), np.array([[False, True, False]]))[0, 0].round(9).tolist()
    [0.0, 1.5, 3.0]
    """
    filled = np.where(removed, 0, image)
    if removed.all() or not removed.any():
        return filled
    filled[:, removed] = solveh_banded(*_equations(filled, removed), lower=True, check_finite=False).T
    return filled


def _equations(known: Pixels, removed: NDArray[np.bool_]) -> tuple[Pixels, Pixels]:
    """Return lower bands (B,n) and right sides (n,C) of the equations of n removed pixels, 0 in ``known`` (C,H,W)."""
    number = np.full((removed.shape[0] + 2, removed.shape[1] + 2), -1)
    number[1:-1, 1:-1][removed] = np.arange(removed.sum())
    values, inside = np.pad(known, ((0, 0), (1, 1), (1, 1))), np.pad(np.ones_like(removed), 1)
    y, x = np.nonzero(number >= 0)
    right, total = np.zeros((len(y), len(known)), known.dtype), np.zeros(len(y), known.dtype)
    links: list[tuple[Index, Index, float]] = []
    for (down, across), weight in WEIGHTS.items():
        for sign in (1, -1):
            beside = y + sign * down, x + sign * across
            right += weight * values[:, *beside].T
            total += weight * inside[beside]
        other = number[y + down, x + across]
        linked = np.flatnonzero(other >= 0)
        links.append((linked, other[linked], weight))
    width = max((int((end - start).max()) for start, end, _ in links if len(start)), default=0)
    bands = np.zeros((width + 1, len(y)), known.dtype)
    bands[0] = total
    for start, end, weight in links:
        bands[end - start, start] = -weight
    return bands, right
