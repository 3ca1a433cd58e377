"""The baseline ``noise``: the maps of the method ``noise``, which need no network."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from locus.core.baseline import FloatMap, MapBaseline
from locus.core.frames import Grid
from locus.core.types import Sample


class NoiseBaseline(MapBaseline):
    """Uniform noise, seeded by the image and the finding."""

    name = "noise"
    why_unranked = "baseline"
    order = 40
    in_every_suite = True
    joins_prior = True
    method = "noise"

    def maps(
        self, samples: Sequence[Sample], findings: Sequence[str], grid: Grid, shape: tuple[int, int]
    ) -> FloatMap:
        """Return one draw for each sample and finding, (N,K,h,w)."""
        draws = [draw() for draw in self.map_functions(samples, findings, grid, shape)]
        return np.array(draws).reshape(len(samples), len(findings), *shape)

    def map_functions(
        self, samples: Sequence[Sample], findings: Sequence[str], grid: Grid, shape: tuple[int, int]
    ) -> list[Callable[[], FloatMap]]:
        """Return a function for each sample and finding that makes its draw."""
        from locus.methods.noise import Noise  # imported late, because it imports torch

        functions: list[Callable[[], FloatMap]] = []
        for sample in samples:
            for finding in findings:
                functions.append(partial(Noise().draw, sample.image_id, finding, shape))
        return functions
