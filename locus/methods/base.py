"""Base classes of the methods, and checks of their options.

``Method``           a map per image and finding, from the evidence of a batch
``ChannelMethod``    a weighted sum of the feature maps with one weight per channel
``GradientMethod``   a weighted sum of the feature maps, with weights from the gradients
``AttentionMethod``  a map over the patches from a transformer's attention
``require_whole_number``, ``require_positive``  checks of options

What a method may read is described in ``locus.methods.evidence``; ``locus.explaining`` runs methods.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor

from locus.core.errors import BadValueError, NotAvailableError
from locus.core.frames import Grid
from locus.methods import FAST_NEEDS
from locus.methods.evidence import Attention, weighted
from locus.methods.evidence import Evidence as Evidence


def require_whole_number(option: str, value: Any, least: int = 1) -> int:
    """Return ``value``. Raises ``BadValueError`` if the ``option`` is not a whole number of at least ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise BadValueError(f"{option} is {value!r}: give a whole number, {least} or more")
    return value


def require_positive(option: str, value: Any) -> float:
    """Return ``value``. Raises ``BadValueError`` if the ``option`` is not a finite number above 0."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
        raise BadValueError(f"{option} is {value!r}: give a number above 0")
    return value


class Method:
    """Method that computes one map per image and finding. A subclass sets ``name`` and implements ``maps``.

    ``maps`` gets the evidence of a batch (:class:`locus.methods.evidence.Evidence`): the feature map A, the gradients
    G = d logits / d A, the images, the findings and the grid of A.

    Example:
        >>> class MeanOfMaps(Method):
        ...     name = "mean_of_maps"
        ...     def maps(self, evidence):
        ...         count = len(evidence.findings)
        ...         return evidence.A.mean(1, keepdim=True).expand(-1, count, -1, -1)  # (N,K,h,w)
    """

    name: ClassVar[str]
    """Name on the command line, in records and in tables."""
    needs: ClassVar[frozenset[str]] = frozenset({"features"})
    """Inputs that ``locus.explaining`` must provide: a subset of ``locus.methods.evidence.NEEDS``."""
    costly: ClassVar[bool] = False
    """True if the method costs far more than a forward pass although its ``needs`` are cheap."""
    rectified: ClassVar[bool] = False
    """True if the paper's formula ends in max(0, ·)."""
    source: ClassVar[str] = ""
    """Paper and equation."""
    networks: ClassVar[str] = ""
    """Description of the supported networks; empty: all. For others the method raises ``NotAvailableError``."""
    extra_cost: ClassVar[str] = ""
    """Description of the cost beyond the forward pass; empty if ``needs`` implies it."""
    smooth: "Callable[[Method, Evidence], Tensor] | None" = None
    """Replacement for ``maps`` from ``locus.methods.smoothing``, set by the option ``smooth``."""
    other_packages: ClassVar[str] = ""
    """How other packages deviate from the paper, and how much this changes the map."""

    @classmethod
    def is_fast(cls) -> bool:
        """Return True if the method belongs to the group ``fast`` (costs about one forward pass)."""
        return cls.needs <= FAST_NEEDS and not cls.costly

    def maps(self, evidence: Evidence) -> Tensor:
        """Compute the raw maps, not resized or scaled.

        The maps of an image and finding must not depend on other images and findings.

        Args:
            evidence: feature map A (N,C,h,w) and what else ``needs`` names.

        Returns:
            (N,K,h,w) float32 on the grid of ``grid``, high where the finding is.

        Raises:
            NotAvailableError: the model is not supported.
        """
        raise NotImplementedError

    def grid(self, evidence: Evidence) -> Grid:
        """Return the grid of the method's maps: by default that of ``A``.

        Args:
            evidence: the evidence from which the maps were computed.

        Returns:
            The positions of the maps' cells in the network's input.
        """
        return evidence.grid

    def terms(self, evidence: Evidence) -> Iterator[Tensor]:
        """Yield what is summed over channels; ``smooth=eigen`` uses these terms.

        Args:
            evidence: as in ``maps``.

        Returns:
            (N,C,h,w), finding by finding.

        Raises:
            NotAvailableError: the method does not sum over channels.
        """
        raise NotAvailableError(
            f"smooth=eigen requires a method that sums over channels; {self.name!r} does not"
        )

    def __call__(self, evidence: Evidence) -> Tensor:
        """Return ``maps``, smoothed and rectified as the attributes say, after checking their shape."""
        maps = (self.smooth(self, evidence) if self.smooth else self.maps(evidence)).detach()
        expected = (len(evidence.images), len(evidence.findings))
        if maps.ndim != 4 or tuple(maps.shape[:2]) != expected:
            actual = tuple(maps.shape)
            wanted = f"({expected[0]}, {expected[1]}, h, w)"
            raise BadValueError(
                f"the method {self.name!r} returned maps of shape {actual} instead of {wanted}"
            )
        return maps.clamp(min=0) if self.rectified else maps


class ChannelMethod(Method):
    """Weighted sum of the feature maps with one weight per channel. A subclass implements ``channel_weights``."""

    def channel_weights(self, evidence: Evidence) -> Tensor:
        """Return one weight per image, finding and channel, (N,K,C)."""
        raise NotImplementedError

    def maps(self, evidence: Evidence) -> Tensor:
        """Return the weighted sums before rectification, (N,K,h,w)."""
        return weighted(self.channel_weights(evidence), evidence.A)

    def terms(self, evidence: Evidence) -> Iterator[Tensor]:
        """Yield the weighted channels (N,C,h,w), finding by finding."""
        return (
            weights[..., None, None] * evidence.A
            for weights in self.channel_weights(evidence).unbind(1)
        )


class GradientMethod(Method):
    """Weighted sum of the feature maps, sum_c weights * A. A subclass implements ``weights``.

    Example:
        >>> class Mine(GradientMethod):
        ...     name = "mine"
        ...     def weights(self, A, G):
        ...         return G.mean((-2, -1), keepdim=True)
    """

    needs = frozenset({"features", "gradients"})

    def weights(self, A: Tensor, G: Tensor) -> Tensor:
        """Compute the weights of the feature maps.

        Args:
            A: (N,1,C,h,w) feature maps.
            G: (N,K,C,h,w) gradients of the K logits with respect to A.

        Returns:
            Weights that broadcast to (N,K,C,h,w).
        """
        raise NotImplementedError

    def maps(self, evidence: Evidence) -> Tensor:
        """Return the sums of ``weights`` times ``A`` over channels, (N,K,h,w)."""
        A, G = evidence.A.unsqueeze(1), evidence.G
        weights = self.weights(A, G)
        if weights.shape[-2:] == (1, 1):
            return weighted(weights[..., 0, 0].expand(*G.shape[:3]), evidence.A)
        return (weights * A).sum(2).expand(*G.shape[:2], *G.shape[3:])

    def terms(self, evidence: Evidence) -> Iterator[Tensor]:
        """Yield the weighted channels (N,C,h,w), finding by finding."""
        A = evidence.A.unsqueeze(1)
        return ((self.weights(A, G.unsqueeze(1)) * A)[:, 0] for G in evidence.gradients.each())


class AttentionMethod(Method):
    """Map over the patches from a transformer's attention. A subclass implements ``relevance``.

    Supports networks whose blocks all use global attention: ViT, DeiT, EVA and DINOv2 of timm, transformers and
    torchvision, and user-defined networks. Networks without attention, or with attention within windows (Swin),
    are not supported.
    """

    needs = frozenset({"attention"})
    networks = "vision transformers with global attention"

    def relevance(self, attention: Attention, n_findings: int) -> Tensor:
        """Return the relevance of each token for each of the K = ``n_findings`` findings, (N,K,T)."""
        raise NotImplementedError

    def maps(self, evidence: Evidence) -> Tensor:
        """Return the maps of the patches (N,K,h,w). Raises ``NotAvailableError`` for an unsupported network."""
        count = len(evidence.findings)
        return torch.cat([part.maps(self.relevance(part, count)) for part in evidence.attention])

    def grid(self, evidence: Evidence) -> Grid:
        """Return the grid of the patches."""
        return evidence.attention[0].grid
