"""The baseline ``center``: the maps of the method ``center``, which need no network."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from locus.core.baseline import FloatMap, MapBaseline
from locus.core.frames import Grid
from locus.core.types import Sample


class CenterBaseline(MapBaseline):
    """Gaussian at the image's centre, the same for every image and finding."""

    name = "center"
    why_unranked = "baseline"
    order = 30
    in_every_suite = True
    joins_prior = True
    shares_maps = True
    method = "center"

    def maps(
        self, samples: Sequence[Sample], findings: Sequence[str], grid: Grid, shape: tuple[int, int]
    ) -> FloatMap:
        """Return the same Gaussian for every sample and finding, (N,K,h,w)."""
        return np.broadcast_to(_gaussian(grid, shape), (len(samples), len(findings), *shape))

    def map_functions(
        self, samples: Sequence[Sample], findings: Sequence[str], grid: Grid, shape: tuple[int, int]
    ) -> list[Callable[[], FloatMap]]:
        """Return one function for all samples and findings."""
        gaussian = _gaussian(grid, shape)
        return [partial(np.asarray, gaussian)] * (len(samples) * len(findings))


def _gaussian(grid: Grid, shape: tuple[int, int]) -> FloatMap:
    """Return the map (h,w) of the method."""
    from locus.methods.center import Center  # imported late, because it imports torch

    gaussian: FloatMap = Center().gaussian(grid, shape).numpy()
    return gaussian
