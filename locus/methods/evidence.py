"""Evidence, the input of every method: a batch of images and the results of one forward pass through the model.

Letters are those of the papers: ``A`` is the feature map (N,C,h,w) that is pooled, after the last non-linearity; ``S``
are the logits (N,K); ``G`` = dS/dA (N,K,C,h,w) is the gradient of the logit, not of the probability.

``Evidence``   what a method may read; ``NEEDS`` are the names of its parts
``Gradients``  all of ``G``, and the sums of it that methods need, without storing ``G`` if the head has a closed form
``Attention``  attention matrices of a vision transformer and their gradients

These are interfaces: ``locus.explaining`` computes them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from locus.core.frames import Grid


class Gradients(ABC):
    """Gradients G of all logits of a batch with respect to A, (N,K,C,h,w), and sums of them.

    G is K times as large as the feature map. For most heads it is a product, G_kc(xy) = w_kc D(xy) (``Factored``), and
    sums for fourteen findings then cost about as much as for one. ``A`` in the arguments is any (N,C,h,w) tensor.
    """

    @abstractmethod
    def full(self) -> Tensor:
        """Return all gradients, (N,K,C,h,w) float32."""

    def each(self) -> Iterator[Tensor]:
        """Yield (N,C,h,w) finding by finding; faster if all values are read, because they fit in the CPU cache."""
        yield from self.full().unbind(1)

    def mean(self) -> Tensor:
        """Return means over positions, (N,K,C)."""
        return self.full().mean((-2, -1))

    def dot_channels(self, A: Tensor) -> Tensor:
        """Return sums of G * A over channels, (N,K,h,w)."""
        return (self.full() * A.unsqueeze(1)).sum(2)

    def dot_positions(self, A: Tensor) -> Tensor:
        """Return sums of G * A over positions, (N,K,C)."""
        return (self.full() * A.unsqueeze(1)).sum((-2, -1))

    def positive(self) -> "Gradients":
        """Return max(0, G)."""
        return Dense(self.full().clamp(min=0))


@dataclass(frozen=True, eq=False)
class Dense(Gradients):
    """Gradients stored as one tensor."""

    G: Tensor
    """(N,K,C,h,w)."""

    def full(self) -> Tensor:
        """Return the stored tensor, (N,K,C,h,w)."""
        return self.G


@dataclass(frozen=True, eq=False)
class Factored(Gradients):
    """Gradients as a product G_kc(xy) = w_kc D(xy), with one D per channel or one per finding."""

    w: Tensor
    """(K,C)."""
    D: Tensor
    """(N,1,C,h,w) or (N,K,1,h,w)."""

    @property
    def _per_channel(self) -> bool:
        return self.D.shape[1] == 1 and self.D.shape[2] == self.w.shape[1]

    def full(self) -> Tensor:
        """Return all gradients, (N,K,C,h,w), computed in every call."""
        return self.w[:, :, None, None] * self.D

    def each(self) -> Iterator[Tensor]:
        """Yield (N,C,h,w) finding by finding, each computed on demand."""
        shared = self.D.shape[1] == 1
        for k, w in enumerate(self.w):
            yield w[:, None, None] * self.D[:, 0 if shared else k]

    def mean(self) -> Tensor:
        """(N,K,C)."""
        return self.w * self.D.mean((-2, -1))

    def dot_channels(self, A: Tensor) -> Tensor:
        """(N,K,h,w): one matrix product."""
        if self._per_channel:
            return weighted(self.w, self.D[:, 0] * A)
        return self.D[:, :, 0] * weighted(self.w, A)

    def dot_positions(self, A: Tensor) -> Tensor:
        """(N,K,C)."""
        if self._per_channel:
            return self.w * (self.D[:, 0] * A).sum((-2, -1)).unsqueeze(1)
        return self.w * torch.einsum("nkp,ncp->nkc", self.D[:, :, 0].flatten(2), A.flatten(2))

    def positive(self) -> Gradients:
        """Return max(0, G): a product is positive where both factors are positive or both negative."""
        both, neither = (
            Factored((s * self.w).clamp(min=0), (s * self.D).clamp(min=0)) for s in (1, -1)
        )
        return _Sum(both, neither)


@dataclass(frozen=True, eq=False)
class _Sum(Gradients):
    """Sum of two terms, at most one of them nonzero at any position."""

    one: Gradients
    other: Gradients

    def full(self) -> Tensor:
        return self.one.full() + self.other.full()

    def dot_channels(self, A: Tensor) -> Tensor:
        return self.one.dot_channels(A) + self.other.dot_channels(A)


def weighted(weights: Tensor, A: Tensor) -> Tensor:
    """Return the sums (N,K,h,w) of A (N,C,h,w) with channel weights (N,K,C) or (K,C), as one matrix product."""
    return torch.matmul(weights, A.flatten(2)).reshape(len(A), weights.shape[-2], *A.shape[2:])


@dataclass(frozen=True, eq=False)
class Attention(ABC):
    """Attention matrices of a batch of images; each matrix exists only while a method reduces it.

    ``A_l`` is block l's matrix after the softmax, (N,heads,T,T): row i has the weights with which token i attends to
    the T tokens. The last h * w tokens are patches of the image; the tokens before them (class, registers) have no
    position.

    ``reduce`` converts tensors (N,heads,T,T) to any tensor (N,…). The results are listed by block, first block first.
    """

    rows: Tensor
    """(T,) weights of the tokens that the head reads, with sum 1. All pooled patches together count as one class
    token."""
    shape: tuple[int, int]
    """(h, w) of the patches."""
    grid: Grid
    """Positions of the patches in the network's input."""

    @abstractmethod
    def blocks(self, reduce: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """Return ``reduce(A)`` for each block."""

    @abstractmethod
    def gradients(self, reduce: Callable[[Tensor, Tensor], Tensor]) -> Iterator[list[Tensor]]:
        """Yield, finding by finding, ``reduce(A, dS_k/dA)`` for each block."""

    @abstractmethod
    def block_gradients(self, reduce: Callable[[Tensor, Tensor], Tensor]) -> Iterator[list[Tensor]]:
        """Yield the same as ``gradients`` with another score per block: the head applied to the tokens of the block."""

    def maps(self, tokens: Tensor) -> Tensor:
        """Select the patches and arrange them as maps: (N,K,T) -> (N,K,h,w)."""
        return tokens[..., -self.shape[0] * self.shape[1] :].unflatten(-1, self.shape)


NEEDS = frozenset(
    {
        "features",
        "gradients",
        "class_maps",
        "head",
        "forwards",
        "pixels",
        "attention",
        "all_findings",
    }
)
"""Inputs that a method may need: feature maps; gradients of the logits; class maps from the weights of the head;
evaluations of the head; forward passes; gradients of the pixels; attention of a transformer; evidence for all findings
of the model."""
Pass = Literal["head", "forward", "backward"]


class Evidence(Protocol):
    """Results of one forward pass through a model for a batch, shared by all methods and computed on first access."""

    images: Tensor
    """(N,3,H,W) float32, normalised: the network's input."""

    @property
    def grid(self) -> Grid:
        """Grid of ``A`` in the network's input."""

    @property
    def pooling(self) -> str:
        """Name of the model's pooling; empty for an opaque head and at another layer."""

    @property
    def findings(self) -> tuple[int, ...]:
        """Index of each of the K findings among the model's outputs."""

    @property
    def A(self) -> Tensor:  # noqa: N802
        """The pooled feature map (at another layer: that layer's output), (N,C,h,w) float32, contiguous."""

    @property
    def logits(self) -> Tensor:
        """Logits of the requested findings, (N,K) float32."""

    @property
    def gradients(self) -> Gradients:
        """Gradients of the logits with respect to ``A``, with the sums that methods need."""

    @property
    def class_maps(self) -> Tensor:
        """Weights of the classifier applied at every position, without bias, (N,K,h,w).

        Raises ``NotAvailableError`` if the head is opaque.
        """

    @property
    def bias(self) -> Tensor:
        """Bias of the linear head, (K,). Raises ``NotAvailableError`` if the head is opaque."""

    @property
    def ablation_drops(self) -> Tensor | None:
        """S_k - S_k with A_c = 0 in closed form, (N,K,C); None if the head has no closed form."""

    @property
    def attention(self) -> Sequence[Attention]:
        """A transformer's attention and its gradients: one item with all blocks per part of the batch.

        Raises ``NotAvailableError`` with the reason for a network without global attention.
        """

    @property
    def all_findings(self) -> "Evidence":
        """The same evidence for all findings of the model, in its order."""

    @property
    def patch_size(self) -> int:
        """Divisor of the sides of the images: a transformer's patch size, else 1."""

    def head(self, features: Tensor) -> Tensor:
        """Return logits (M,K) of feature maps (M,C,h,w), differentiable. At another layer: the rest of the network."""

    def network(self, images: Tensor) -> Tensor:
        """Return logits (M,K) of images (M,3,H,W) by the whole model in evaluation mode, differentiable."""

    def batched_forward(self, count: int, render: Callable[[slice], Tensor]) -> Tensor:
        """Return the logits of images that are rendered batch by batch.

        Args:
            count: number of images.
            render: returns the images (m,3,H,W) of a slice of ``range(count)``.

        Returns:
            (count,K).
        """

    @property
    def layer_names(self) -> Sequence[str]:
        """Names of the layers before the pooled one, first layer first."""

    def references(self, index: int, count: int, seed: int) -> Tensor:
        """Return images of other patients.

        Args:
            index: the image whose patient is excluded.
            count: number of images.
            seed: seed of the draw.

        Returns:
            (count,3,H,W).

        Raises:
            NotAvailableError: there are not enough, such as for a single image.
        """

    def full_gradients(
        self, image: Tensor, bias: bool = True
    ) -> Iterator[list[tuple[Grid, Tensor]]]:
        """Yield, for each finding, the contributions of the pixels of ``image`` (N,3,H,W) and of each layer's bias.

        Without ``bias``, the layers' values are the gradients of their outputs.
        Terms are signed, (N,C,h,w), each with its grid. Raises ``NotAvailableError`` if they do not sum to the logit.
        """

    def for_images(self, images: Tensor) -> "Evidence":
        """Return evidence of the same findings for other images (N,3,H,W), of any size that the network accepts."""

    def at(self, layer: str | None) -> "Evidence":
        """Return evidence of the same images and findings at another layer; None is the model's default layer."""

    def grid_at(self, layer: str | None) -> Grid:
        """Return the grid of another layer, without running the network; None is the pooled map."""

    def max_batch(self, what: Pass) -> int:
        """Return how many feature maps (``head``) or images (a pass) fit in the memory budget, at least 1."""

    def parts(self) -> Iterator[tuple[slice, "Evidence"]]:
        """Yield slices of the images with their part of the evidence, small enough for G to fit in memory."""

    @cached_property
    def G(self) -> Tensor:  # noqa: N802
        """The gradients as one tensor, K times as large as ``A``: (N,K,C,h,w) float32."""
        return self.gradients.full()

    @property
    def pixel_grid(self) -> Grid:
        """Grid of a map with one position per pixel of the input."""
        return Grid((self.images.shape[-2], self.images.shape[-1]), (1, 1), (0, 0))


class EvidenceView:
    """View of other evidence in which a subclass overrides some attributes."""

    G, pixel_grid = Evidence.G, Evidence.pixel_grid

    def __init__(self, source: Callable[[], Evidence]) -> None:
        """``source``: returns the evidence to view."""
        self._source = source

    def __getattr__(self, name: str) -> Any:
        """Return the attribute of the evidence that is viewed."""
        return getattr(self._source(), name)
