"""What the blocks of a vision transformer attend to, and the methods that read it.

``A_l`` is the matrix of block l behind its softmax, (N,heads,T,T): row i says from which of the T tokens token i
gathers. The last h * w tokens are patches of the image; what stands before them (class, registers) has no position.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from core.frames import Grid
from methods.base import Evidence, Method


@dataclass(frozen=True, eq=False)
class Attention(ABC):
    """The matrices of as many of the images as fit in memory; each exists only while a method reduces it.

    ``reduce`` gets tensors (N,heads,T,T) and gives any tensor (N,…): what the caller gets is a list of these, one per
    block, the first block first.
    """

    rows: Tensor
    """(T,), sums to 1: the tokens that the head reads. Patches that are pooled weigh the same together as one class
    token."""
    shape: tuple[int, int]
    """(h, w) of the patches."""
    grid: Grid
    """Where they lie in the network's input."""

    @abstractmethod
    def blocks(self, reduce: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """``reduce(A)`` of each block."""

    @abstractmethod
    def gradients(self, reduce: Callable[[Tensor, Tensor], Tensor]) -> Iterator[list[Tensor]]:
        """For one finding after the other ``reduce(A, dS_k/dA)`` of each block."""

    @abstractmethod
    def block_gradients(self, reduce: Callable[[Tensor, Tensor], Tensor]) -> Iterator[list[Tensor]]:
        """The same with a block's own score in place of S_k: what the head makes of that block's tokens."""

    def maps(self, tokens: Tensor) -> Tensor:
        """(N,K,T) -> (N,K,h,w): the patches alone."""
        return tokens[..., -self.shape[0] * self.shape[1] :].unflatten(-1, self.shape)


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
