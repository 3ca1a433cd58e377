"""A network that is explained at one of its own feature levels, because what follows it is no head over one map."""

from typing import Any

import torch
from torch import Tensor, nn

from backbones import levels
from backbones.classifier import Classifier
from backbones.foreign import ForeignHead
from backbones.whole import logits_of
from core.errors import NotAvailableError
from core.frames import Grid


class Closed(Classifier):
    """Anyone's network (class token, several linear layers …): its logits are its own, whatever stands before them.

    ``features`` gives what its submodule ``layer`` gives; the engine takes the rest of the network for the head. There
    are no class maps, and ``head`` takes no map alone: raises ``NotAvailableError``.
    """

    def __init__(self, extractor: Any, layer: str, channels: int, rescale: nn.Module | None) -> None:
        super().__init__(extractor, ForeignHead(_refuse, None), channels=channels, rescale=rescale)  # type: ignore[arg-type]
        self.layer = layer

    def forward(self, images: Tensor) -> Tensor:
        """(N,3,H,W) -> (N,K): what the network itself gives."""
        network: Any = self.extractor.net if hasattr(self.extractor, "net") else self.extractor.module
        return logits_of(network(self._as_input(images)))

    def features(self, images: Tensor) -> Tensor:
        """(N,3,H,W) -> (N,C,h,w): the map of the level, without a graph."""
        return levels.run(self, images, str(self.layer))[0].detach()

    def grid(self, size: tuple[int, int], layer: str | None = None) -> Grid:
        """Where the positions of the level, or of another ``layer``, look in an input of ``size`` (H, W) pixels."""
        return super().grid(size, layer or self.layer)


def _refuse(A: torch.Tensor) -> torch.Tensor:
    raise NotAvailableError(
        "what follows the features of this network is not a head over one map: it is explained at its level by "
        "benchmark.explain, not by model.head"
    )
