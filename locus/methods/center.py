"""The centre baseline."""

import torch
from torch import Tensor

from locus.core.frames import Grid
from locus.methods.base import Method, require_positive
from locus.methods.evidence import Evidence


class Center(Method):
    """Gaussian at the image's centre, the same for every image and finding; values in (0,1]. A baseline.

    ``exp(-d^2 / (2 sigma^2))``, d the distance to the centre as a fraction of the image's side, sampled at the
    positions of the model's grid. Uses neither pixels nor weights.
    """

    name = "center"
    needs = frozenset({"features"})
    source = "baseline"

    def __init__(self, sigma: float = 0.25) -> None:
        """Set ``sigma``, a fraction of the image's side above 0."""
        self.sigma = require_positive("sigma", sigma)

    def maps(self, evidence: Evidence) -> Tensor:
        """Return the same Gaussian for every image and finding, (N,K,h,w)."""
        shape = (evidence.A.shape[-2], evidence.A.shape[-1])
        gaussian = self.gaussian(evidence.grid, shape).to(evidence.A)
        return gaussian.expand(len(evidence.images), len(evidence.findings), *shape).clone()

    def gaussian(self, grid: Grid, shape: tuple[int, int]) -> Tensor:
        """Return the Gaussian at the positions of ``grid``, (h,w) float32."""
        y, x = grid.centres(shape, (1, 1))
        squared = torch.from_numpy((y[:, None] - 0.5) ** 2 + (x[None] - 0.5) ** 2).float()
        return torch.exp(-squared / (2 * self.sigma**2))
