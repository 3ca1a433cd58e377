"""How the parts of somebody else's network stand for features and head: in words that a file keeps, and as a model."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from backbones import levels, probe
from backbones.catalog import poolings
from backbones.classifier import Classifier
from backbones.consistency import logits_of
from backbones.head import Head
from backbones.tokens import TokensOf
from backbones.unknown_network import Extractor, ForeignHead, submodule, until
from core.errors import BadValueError, NotAvailableError
from core.frames import Grid


@dataclass(frozen=True)
class ModelSpec:
    """Which submodule gives A and which layer the logits. JSON-able by ``dataclasses.asdict``."""

    features: str
    """Dotted name of the submodule whose output is A."""
    head: str | None
    """Dotted name of the linear layer behind the pooled map; None: the rest of the network, which stays closed."""
    pooling: str = "AVG"
    """Between the two, where the head is named."""
    rectified: bool = False
    """Whether the network rectifies the submodule's output before it pools it (DenseNet)."""
    patch: int = 0
    """Pixels of a patch where the map is made of tokens; 0: it is a map already."""
    prefix: int = 0
    """Tokens that are no patches (class, registers), in front of those that are."""
    stages: int = 1
    """One more than the mergings of tokens before the map, each of which halves their number."""

    def __str__(self) -> str:
        tokens = f", whose tokens stand for patches of {self.patch} pixels" if self.patch else ""
        rectified = ", rectified," if self.rectified else ""
        if self.head is None:
            return f"features {self.features!r}{tokens}; head: the rest of the network, closed"
        return (
            f"features {self.features!r}{tokens}{rectified} and head {self.head!r} behind their {_POOLED[self.pooling]}"
        )


_POOLED = {"AVG": "mean", "MAX": "maximum"}
POOLINGS = tuple(_POOLED)
"""What may stand between features and a linear head."""


def connect(module: nn.Module, wiring: ModelSpec, channels: int, rescale: nn.Module | None = None) -> Classifier:
    """``module`` as a classifier, its parts as ``wiring`` says; images have ``channels`` when they reach it."""
    extractor: Any = Extractor(module, wiring.features, wiring.rectified)
    if wiring.patch:
        extractor = Patches(module, wiring.features, wiring.patch, wiring.prefix, wiring.stages)
    if wiring.head is None:
        return OpaqueHeadClassifier(extractor, wiring.features, channels, rescale)
    head = Head(poolings.build(wiring.pooling), submodule(module, wiring.head))  # type: ignore[arg-type]
    locate = extractor.grid if wiring.patch else lambda size: probe.grid(module, extractor, size, channels)
    return Classifier(extractor, head, channels=channels, locate=locate, rescale=rescale)


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


class OpaqueHeadClassifier(Classifier):
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


def _refuse(A: Tensor) -> Tensor:
    raise NotAvailableError(
        "what follows the features of this network is not a head over one map: it is explained at its level by "
        "benchmark.explain, not by model.head"
    )
