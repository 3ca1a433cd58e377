"""Tokens of anyone's transformer as a map."""

from typing import Any

from torch import Tensor, nn

from backbones.foreign import until
from backbones.tokens import TokensOf
from core.errors import BadValueError


class Patches(TokensOf):
    """A foreign transformer up to its submodule ``features``, whose tokens stand for patches of the image."""

    def __init__(self, net: nn.Module, features: str, patch: int, prefix: int, stages: int) -> None:
        nn.Module.__init__(self)
        self.net: Any = net
        self.features, self.patch, self.prefix, self.stages = features, patch, prefix, stages

    def forward(self, images: Tensor) -> Tensor:
        """(N,channels,H,W) -> (N,C,h,w). Raises ``BadValueError`` where the tokens do not fill the image."""
        size = (images.shape[-2], images.shape[-1])
        A = self.as_map(until(self.net, self.features)(images), size)
        if A is None:
            raise BadValueError(f"what {self.features!r} gives for images of {size} pixels is no map of patches")
        return A

    def as_map(self, tokens: Any, size: tuple[int, int]) -> Tensor | None:
        """As for timm's; what is (N,C,h,w) already stays."""
        if isinstance(tokens, Tensor) and tokens.ndim == 4 and tuple(tokens.shape[2:]) in self.strides(size):
            return tokens
        return super().as_map(tokens, size)

    def as_tokens(self, A: Tensor, tokens: Tensor) -> Tensor:
        """As for timm's; for what was (N,C,h,w) the map itself."""
        return A if tuple(tokens.shape[1:]) == tuple(A.shape[1:]) else super().as_tokens(A, tokens)
