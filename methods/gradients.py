"""Gradients of all logits with respect to A, and the sums of them that methods need.

``G`` is (N,K,C,h,w), K times as large as the feature map. For most heads it is a product, G_kc(xy) = w_kc D(xy), and
sums for fourteen findings then cost about as much as for one.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


class Gradients(ABC):
    """Gradients G of a batch. ``A`` in the arguments is any (N,C,h,w) tensor."""

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
        both, neither = (Factored((s * self.w).clamp(min=0), (s * self.D).clamp(min=0)) for s in (1, -1))
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
