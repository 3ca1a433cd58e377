"""The centre baseline."""

import torch
from torch import Tensor

from methods.base import Evidence, Method
from methods.options import positive


class Center(Method):
    """A Gaussian at the image's centre, the same for every image and finding; values in (0,1]. What a method must beat.

    ``exp(-d^2 / (2 sigma^2))``, d the distance to the centre in shares of the image's side, read at the positions of
    the model's own grid. Looks at no pixel and no weight.
    """

    name = "center"
    needs = frozenset({"features"})
    source = "baseline"

    def __init__(self, sigma: float = 0.25) -> None:
        """``sigma`` in shares of the image's side, above 0."""
        self.sigma = positive("sigma", sigma)

    def maps(self, evidence: Evidence) -> Tensor:
        """(N,K,h,w) the same Gaussian for each."""
        h, w = evidence.A.shape[-2:]
        y, x = evidence.grid.centres((h, w), (1, 1))
        squared = torch.from_numpy((y[:, None] - 0.5) ** 2 + (x[None] - 0.5) ** 2).to(evidence.A)
        gaussian = torch.exp(-squared / (2 * self.sigma**2))
        return gaussian.expand(len(evidence.images), len(evidence.findings), h, w).clone()
