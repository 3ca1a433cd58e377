"""Specification of the features and the head of an external network, and the classifier built from it."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from backbones import layer_split, probe
from backbones import pooling as poolings
from backbones.classifier import Classifier
from backbones.consistency import logits_of
from backbones.head import Head
from backbones.tokens import TokensOf
from backbones.unknown_network import Extractor, ForeignHead, submodule, until
from core.errors import NotAvailableError
from core.frames import Grid


@dataclass(frozen=True)
class ModelSpec:
    """Names of the submodules of a network that return A and the logits. JSON-able by ``dataclasses.asdict``."""

    features: str
    """Dotted name of the submodule with output A."""
    head: str | None
    """Dotted name of the linear layer after the pooling; None: the rest of the network is an opaque head."""
    pooling: str = "AVG"
    """Pooling between features and a named head."""
    rectified: bool = False
    """True if the network rectifies the submodule's output before pooling (DenseNet)."""
    patch: int = 0
    """Patch size in pixels if the output is tokens; 0 if it is a map."""
    prefix: int = 0
    """Number of tokens before the patches (class, registers)."""
    stages: int = 1
    """1 + number of patch-merging steps before the map; each step halves the sides."""

    def __str__(self) -> str:
        tokens = f", tokens of {self.patch}x{self.patch} pixels" if self.patch else ""
        rectified = ", rectified" if self.rectified else ""
        if self.head is None:
            return f"features {self.features!r}{tokens}; head: the rest of the network (opaque)"
        return f"features {self.features!r}{tokens}{rectified}; pooling {self.pooling}; head {self.head!r}"


POOLINGS = ("AVG", "MAX")
"""Supported poolings between features and a linear head."""


def connect(module: nn.Module, spec: ModelSpec, channels: int, rescale: nn.Module | None = None) -> Classifier:
    """Build a classifier from ``module`` and its specification; ``channels``: those of its input images."""
    extractor: Any = Extractor(module, spec.features, spec.rectified)
    if spec.patch:
        extractor = Patches(module, spec.features, spec.patch, spec.prefix, spec.stages)
    if spec.head is None:
        return OpaqueHeadClassifier(extractor, spec.features, channels, rescale)
    head = Head(poolings.build(spec.pooling), submodule(module, spec.head))  # type: ignore[arg-type]
    locate = extractor.grid if spec.patch else lambda size: probe.grid(module, extractor, size, channels)
    return Classifier(extractor, head, channels=channels, locate=locate, rescale=rescale)


class Patches(TokensOf):
    """Third-party transformer up to its submodule ``features``, with patch tokens as a map."""

    def __init__(self, net: nn.Module, features: str, patch: int, prefix: int, stages: int) -> None:
        nn.Module.__init__(self)
        self.net: Any = net
        self.features, self.patch, self.prefix, self.stages = features, patch, prefix, stages

    def tokens(self, images: Tensor) -> Any:
        """Return the output of ``features`` for images (N,channels,H,W)."""
        return until(self.net, self.features)(images)


class OpaqueHeadClassifier(Classifier):
    """Third-party network with an opaque head (class token, several linear layers …).

    ``features`` returns the output of the submodule ``layer``; the engine treats the rest of the network as the head.
    ``class_maps`` and ``head`` raise ``NotAvailableError``.
    """

    def __init__(self, extractor: Any, layer: str, channels: int, rescale: nn.Module | None) -> None:
        super().__init__(extractor, ForeignHead(_refuse, None), channels=channels, rescale=rescale)  # type: ignore[arg-type]
        self.layer = layer

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N,K) of the network for images (N,3,H,W)."""
        network: Any = self.extractor.net if hasattr(self.extractor, "net") else self.extractor.module
        return logits_of(network(self._as_input(images)))

    def features(self, images: Tensor) -> Tensor:
        """Return the map of the layer (N,C,h,w) for images (N,3,H,W), without gradients."""
        return layer_split.run(self, images, str(self.layer))[0].detach()

    def grid(self, size: tuple[int, int], layer: str | None = None) -> Grid:
        """Return the grid of the features, or of another ``layer``, for inputs of ``size`` (H, W) pixels."""
        return super().grid(size, layer or self.layer)


def _refuse(A: Tensor) -> Tensor:
    raise NotAvailableError("this network has an opaque head, so model.head is not available: use benchmark.explain")
