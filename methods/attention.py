"""Attention matrices of a vision transformer.

``A_l`` is block l's matrix after the softmax, (N,heads,T,T): row i has the weights with which token i attends to the T
tokens. The last h * w tokens are patches of the image; the tokens before them (class, registers) have no position.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

from core.frames import Grid


@dataclass(frozen=True, eq=False)
class Attention(ABC):
    """Attention matrices of a batch of images; each matrix exists only while a method reduces it.

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
