"""KPCA-CAM."""

import torch
from torch import Tensor

from locus.core.errors import BadValueError
from locus.methods._principal import first_component
from locus.methods.base import Method, require_positive
from locus.methods.evidence import Evidence

KERNELS = ("sigmoid", "rbf", "linear")


class KPCACAM(Method):
    """Projection of the features onto their first kernel principal component; one map for all findings.

    ``L = sqrt(lambda) v``, (lambda, v) the first eigenpair of the centred kernel matrix of the positions. Source:
    Karmani et al., 2024 (arXiv:2410.00267), with the sigmoid kernel ``tanh(gamma x . y + 1)`` and gamma = 1 / C, as the
    grad-cam package computes it; signed.

    Positions are centred per channel first. The sign is Eigen-CAM's: ``sum_xy L sum_c A_c > 0``; if the channels
    cancel, as after a LayerNorm, the largest value is positive (``locus.methods._principal.fix_signs``). The linear
    kernel gives Eigen-CAM. Independent of the finding. Traps: the sigmoid kernel saturates for large features, so their
    magnitude is lost. It is not positive definite; if its first eigenvalue is not positive, the map is all zeros.
    """

    name = "kpcacam"
    needs = frozenset({"features"})
    costly = True
    source = "Karmani et al., arXiv:2410.00267"
    extra_cost = "an eigenvalue problem of (h w) x (h w) per image"
    other_packages = (
        "grad-cam computes the kernel in float32, where tanh(1 + x) loses small x: for small features its map differs "
        "by 3 to 8% of the maximum (random small CNN). In float64 the maps are the same up to their sign."
    )

    def __init__(self, kernel: str = "sigmoid", gamma: float | None = None) -> None:
        """Set ``kernel`` (sigmoid, rbf or linear) and its width ``gamma`` (default: 1 / channels)."""
        if kernel not in KERNELS:
            raise BadValueError(f"kpcacam has kernel={kernel!r}: give one of {', '.join(KERNELS)}")
        self.kernel, self.gamma = (
            kernel,
            None if gamma is None else require_positive("gamma", gamma),
        )

    def maps(self, evidence: Evidence) -> Tensor:
        """Return one map per image, repeated K times, (N,K,h,w)."""
        return (
            first_component(evidence.A, self._scores)
            .unsqueeze(1)
            .repeat(1, len(evidence.findings), 1, 1)
        )

    def _scores(self, X: Tensor) -> Tensor:
        """Return the coordinates (N,P) of centred features (N,C,P) on the first component."""
        return torch.stack([self._coordinates(features.T) for features in X])

    def _coordinates(self, X: Tensor) -> Tensor:
        """Return the coordinates (P,) of the positions (P,C) of one image."""
        kernel = self._kernel(X)
        kernel = kernel - kernel.mean(0) - kernel.mean(1, keepdim=True) + kernel.mean()
        values, vectors = torch.linalg.eigh(kernel)
        return vectors[:, -1] * values[-1].clamp(min=0).sqrt()

    def _kernel(self, X: Tensor) -> Tensor:
        """Return the kernel matrix (P,P) of positions (P,C)."""
        gamma, products = self.gamma or 1 / X.shape[1], X @ X.T
        if self.kernel == "rbf":
            square = products.diagonal()
            return torch.exp(-gamma * (square[:, None] + square - 2 * products).clamp(min=0))
        return products if self.kernel == "linear" else torch.tanh(gamma * products + 1)
