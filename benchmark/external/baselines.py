"""The baselines ``center``, ``noise``, ``prior`` and ``truth`` on the grid of others' maps; none uses the image."""

from collections.abc import Sequence

import numpy as np

from benchmark.maps.baselines import BASELINES, FloatMap
from core.frames import Grid
from core.names import CENTER, LIMIT, NOISE, PRIOR
from core.seeds import generator
from core.types import Sample

NAMES = (CENTER, PRIOR, NOISE, LIMIT)
SIGMA = 0.25
"""Deviation of the Gaussian at the centre, in shares of the image's side: that of the method ``center``."""


def maps(
    name: str, samples: Sequence[Sample], findings: Sequence[str], grid: Grid, shape: tuple[int, int]
) -> tuple[FloatMap, Grid]:
    """(N,K,h,w) maps of a baseline for ``samples`` and their grid, on others' ``grid`` and ``shape`` (h, w).

    Baselines then have the same resolution as others' maps.
    """
    if name == CENTER:
        y, x = grid.centres(shape, (1, 1))
        gaussian = np.exp(-((y[:, None] - 0.5) ** 2 + (x[None] - 0.5) ** 2) / (2 * SIGMA**2)).astype(np.float32)
        return np.broadcast_to(gaussian, (len(samples), len(findings), *shape)), grid
    if name == NOISE:
        keys = [("noise", sample.image_id, finding) for sample in samples for finding in findings]
        draws = [generator(0, *key).random(shape, dtype=np.float32) for key in keys]  # uniform in [0,1)
        return np.array(draws, dtype=np.float32).reshape(len(samples), len(findings), *shape), grid
    return BASELINES[name]().maps(samples, findings, grid, shape)
