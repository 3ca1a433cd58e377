"""What every method is given and what it gives back.

Letters of the papers: ``A`` is the feature map that is pooled, (N,C,h,w), after the last non-linearity; ``S`` the
logits, (N,K); ``G`` = dS/dA, (N,K,C,h,w), never the gradient of a probability, which vanishes where a model is sure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from core.errors import NotAvailableError
from core.frames import Grid

NEEDS = frozenset({"features", "gradients", "class_maps", "head", "forwards", "pixels"})


@dataclass(frozen=True)
class Evidence:
    """What one forward pass through a model tells about a batch; the same object serves every method."""

    images: Tensor
    """(N,3,H,W) float32, normalised: the network's input."""
    A: Tensor
    """(N,C,h,w) float32: what is pooled."""
    logits: Tensor
    """(N,K) float32, of the findings asked for."""
    head: Callable[[Tensor], Tensor]
    """(N,C,h,w) -> (N,K) logits of the findings asked for."""
    read_class_maps: Callable[[], Tensor]
    read_gradients: Callable[[], Tensor]
    read_bias: Callable[[], Tensor]
    grid: Grid
    """Where the positions of ``A`` look in the network's input."""
    pooling: str
    """The word of the model's pooling, empty for a wrapped model."""
    findings: tuple[int, ...]
    """Position of each of the K findings among the model's outputs."""

    @cached_property
    def G(self) -> Tensor:  # noqa: N802
        """(N,K,C,h,w) float32 gradients of the logits, computed through the head when first asked for."""
        return self.read_gradients()

    @cached_property
    def class_maps(self) -> Tensor:
        """(N,K,h,w) the classifier's own weights at every position, without bias. Raises where there are none."""
        return self.read_class_maps()

    @cached_property
    def bias(self) -> Tensor:
        """(K,) bias of the linear head. Raises ``NotAvailableError`` where the head is of unknown inside."""
        return self.read_bias()


class Method:
    """A map per image and finding. A subclass sets ``name`` and ``needs`` and writes ``maps``."""

    name: ClassVar[str]
    """The word on the command line, in records and in tables."""
    needs: ClassVar[frozenset[str]] = frozenset({"features"})
    """What it asks of the engine: a subset of ``NEEDS``."""
    rectified: ClassVar[bool] = False
    """True where the paper's formula ends in max(0, ·)."""
    baseline: ClassVar[bool] = False
    """True for maps that look at no model: what a method must beat."""
    source: ClassVar[str] = ""
    """Paper and equation."""

    def maps(self, evidence: Evidence) -> Tensor:
        """(N,K,h,w) float32 raw maps, neither resized nor scaled. Raises ``NotAvailableError`` for a model it can't serve."""
        raise NotImplementedError

    def __call__(self, evidence: Evidence) -> Tensor:
        """``maps``, rectified where the paper says so, checked for its shape."""
        found = self.maps(evidence).detach()
        expected = (len(evidence.images), len(evidence.findings))
        if found.ndim != 4 or tuple(found.shape[:2]) != expected:
            raise NotAvailableError(f"the method {self.name!r} gave maps of shape {tuple(found.shape)}, not {(*expected, 'h', 'w')}")
        return found.clamp(min=0) if self.rectified else found


class GradientMethod(Method):
    """A weighted sum of the feature maps, sum_c weights * A: all that a subclass needs is ``weights``.

    >>> class Mine(GradientMethod):
    ...     name = "mine"
    ...     def weights(self, A, G):
    ...         return G.mean((-2, -1), keepdim=True)
    """

    needs = frozenset({"features", "gradients"})

    def weights(self, A: Tensor, G: Tensor) -> Tensor:
        """(N,1,C,h,w), (N,K,C,h,w) -> anything that broadcasts to (N,K,C,h,w)."""
        raise NotImplementedError

    def maps(self, evidence: Evidence) -> Tensor:
        """Sum over channels of ``weights`` times ``A``."""
        weights = self.weights(evidence.A.unsqueeze(1), evidence.G)
        if weights.shape[-2:] == (1, 1):  # one weight per channel: a matrix product, no (N,K,C,h,w) in memory
            return torch.einsum("nkc,nchw->nkhw", weights[..., 0, 0].expand(*evidence.G.shape[:3]), evidence.A)
        return (weights * evidence.A.unsqueeze(1)).sum(2)
