"""How the parts of somebody else's network stand for features and head, in words that a file can keep."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from backbones import probe
from backbones.catalog import poolings
from backbones.classifier import Classifier
from backbones.closed import Closed
from backbones.foreign import Extractor, submodule
from backbones.head import Head
from backbones.patches import Patches


@dataclass(frozen=True)
class Wiring:
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


def connect(module: nn.Module, wiring: Wiring, channels: int, rescale: nn.Module | None = None) -> Classifier:
    """``module`` as a classifier, its parts as ``wiring`` says; images have ``channels`` when they reach it."""
    extractor: Any = Extractor(module, wiring.features, wiring.rectified)
    if wiring.patch:
        extractor = Patches(module, wiring.features, wiring.patch, wiring.prefix, wiring.stages)
    if wiring.head is None:
        return Closed(extractor, wiring.features, channels, rescale)
    head = Head(poolings.build(wiring.pooling), submodule(module, wiring.head))  # type: ignore[arg-type]
    locate = extractor.grid if wiring.patch else lambda size: probe.grid(module, extractor, size, channels)
    return Classifier(extractor, head, channels=channels, locate=locate, rescale=rescale)
