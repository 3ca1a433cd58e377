"""The centre baseline."""

import torch
from torch import Tensor

from methods.base import Evidence, Method
from methods.options import require_positive


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
        h, w = evidence.A.shape[-2:]
        y, x = evidence.grid.centres((h, w), (1, 1))
        squared = torch.from_numpy((y[:, None] - 0.5) ** 2 + (x[None] - 0.5) ** 2).to(evidence.A)
        gaussian = torch.exp(-squared / (2 * self.sigma**2))
        return gaussian.expand(len(evidence.images), len(evidence.findings), h, w).clone()
