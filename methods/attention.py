"""What the blocks of a vision transformer attend to.

``A_l`` is the matrix of block l behind its softmax, (N,heads,T,T): row i says from which of the T tokens token i
gathers. The last h * w tokens are patches of the image; what stands before them (class, registers) has no position.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

from core.frames import Grid


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
