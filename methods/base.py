"""What every method is: the base classes, and what a method says of itself."""

from collections.abc import Callable, Iterator
from typing import ClassVar

import torch
from torch import Tensor

from core.errors import BadValueError, NotAvailableError
from core.frames import Grid
from methods import FAST
from methods.attention import Attention
from methods.evidence import Evidence as Evidence
from methods.gradients import weighted


class Method:
    """A map per image and finding. A subclass sets ``name`` and ``needs`` and writes ``maps``."""

    name: ClassVar[str]
    """The word on the command line, in records and in tables."""
    needs: ClassVar[frozenset[str]] = frozenset({"features"})
    """What it asks of the engine: a subset of ``NEEDS``."""
    costly: ClassVar[bool] = False
    """True where the price is far above a forward pass although nothing dear is needed."""
    rectified: ClassVar[bool] = False
    """True where the paper's formula ends in max(0, ·)."""
    source: ClassVar[str] = ""
    """Paper and equation."""
    serves: ClassVar[str] = ""
    """The networks that it has maps for, in words; nothing for all. For others it raises ``NotAvailableError``."""
    price: ClassVar[str] = ""
    """What it costs beyond the one forward pass, in words; nothing where the needs tell."""
    smooth: "Callable[[Method, Evidence], Tensor] | None" = None
    """One of ``methods.smoothing`` in place of ``maps``: the option ``smooth`` of any method's word."""
    differs: ClassVar[str] = ""
    """What packages compute otherwise than the paper, and how much that changes the map."""

    @classmethod
    def is_fast(cls) -> bool:
        """Whether it belongs to the group ``fast``: maps at the price of one forward pass."""
        return cls.needs <= FAST and not cls.costly

    def maps(self, evidence: Evidence) -> Tensor:
        """(N,K,h,w) float32 raw maps, not resized, not scaled. Raises ``NotAvailableError`` for a model it can't serve.

        Images and findings are independent of each other: the engine may ask for them in parts.
        """
        raise NotImplementedError

    def grid(self, evidence: Evidence) -> Grid:
        """Where the positions of its maps look: those of ``A`` unless the method says otherwise."""
        return evidence.grid

    def terms(self, evidence: Evidence) -> Iterator[Tensor]:
        """(N,C,h,w) for one finding after the other: what is summed over channels, for ``smooth=eigen``."""
        raise NotAvailableError(
            f"the method {self.name!r} is no sum over channels, of which smooth=eigen takes an axis"
        )

    def __call__(self, evidence: Evidence) -> Tensor:
        """``maps``, smoothed where that was asked for, rectified where the paper says so, checked for its shape."""
        maps = (self.smooth(self, evidence) if self.smooth else self.maps(evidence)).detach()
        expected = (len(evidence.images), len(evidence.findings))
        if maps.ndim != 4 or tuple(maps.shape[:2]) != expected:
            given = tuple(maps.shape)
            raise BadValueError(f"the method {self.name!r} gave maps of shape {given}, not {(*expected, 'h', 'w')}")
        return maps.clamp(min=0) if self.rectified else maps


class ChannelMethod(Method):
    """A weighted sum of the feature maps with one weight per channel: a subclass writes ``channel_weights``."""

    def channel_weights(self, evidence: Evidence) -> Tensor:
        """(N,K,C)."""
        raise NotImplementedError

    def maps(self, evidence: Evidence) -> Tensor:
        """(N,K,h,w) before rectification."""
        return weighted(self.channel_weights(evidence), evidence.A)

    def terms(self, evidence: Evidence) -> Iterator[Tensor]:
        """(N,C,h,w) of one finding after the other."""
        return (weights[..., None, None] * evidence.A for weights in self.channel_weights(evidence).unbind(1))


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
        A, G = evidence.A.unsqueeze(1), evidence.G
        weights = self.weights(A, G)
        if weights.shape[-2:] == (1, 1):
            return weighted(weights[..., 0, 0].expand(*G.shape[:3]), evidence.A)
        return (weights * A).sum(2).expand(*G.shape[:2], *G.shape[3:])

    def terms(self, evidence: Evidence) -> Iterator[Tensor]:
        """(N,C,h,w) of one finding after the other."""
        A = evidence.A.unsqueeze(1)
        return ((self.weights(A, G.unsqueeze(1)) * A)[:, 0] for G in evidence.gradients.each())


class AttentionMethod(Method):
    """A map of the patches from a transformer's attention. A subclass writes ``relevance``.

    Serves networks in which every block attends from each token to all others: ViT, DeiT, EVA and DINOv2 of timm,
    transformers and torchvision, and a user's own. Others have none, with the reason: no attention (convolutional
    networks), or attention within windows (Swin).
    """

    needs = frozenset({"attention"})
    serves = "vision transformers without windows"

    def relevance(self, attention: Attention, findings: int) -> Tensor:
        """(N,K,T) how much each token matters for each of the K ``findings``."""
        raise NotImplementedError

    def maps(self, evidence: Evidence) -> Tensor:
        """(N,K,h,w). Raises ``NotAvailableError`` for a network without such attention."""
        count = len(evidence.findings)
        return torch.cat([part.maps(self.relevance(part, count)) for part in evidence.attention])

    def grid(self, evidence: Evidence) -> Grid:
        """The patches'."""
        return evidence.attention[0].grid
