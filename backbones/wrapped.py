"""Wrap any network as a Classifier, without changing it."""

from collections.abc import Callable
from typing import Any

from torch import nn

from backbones import probe
from backbones.classifier import Classifier
from backbones.consistency import SIDE, require_whole
from backbones.forward_trace import observe
from backbones.head import Head
from backbones.model_spec import connect
from backbones.pooling.avg import AVG
from backbones.traced import find
from backbones.unknown_network import Extractor, ForeignHead, Step, submodule
from core.errors import BadValueError
from core.frames import Grid

Locate = Callable[[tuple[int, int]], Grid]


def wrap(
    module: nn.Module,
    features: str | Step | None = None,
    head: str | Step | None = None,
    num_classes: int | None = None,
    channels: int | None = None,
    grid: Locate | None = None,
    img_size: int | None = None,
) -> Classifier:
    """Wrap ``module`` as a :class:`Classifier` with A = ``features(images)`` and logits = ``head(A)``.

    ``features``: a callable (N,channels,H,W) -> (N,C,h,w), or the dotted name of the submodule with output A; the
    network runs only up to there. ``head``: a callable (N,C,h,w) -> (N,K) logits, or the dotted name of a submodule
    that does that. The name of an ``nn.Linear`` means: mean over positions, then this layer; only then ``class_maps``,
    ``weight`` and ``bias`` exist. ``channels`` defaults to those of the first convolution. The grid is measured with
    gradients (:mod:`backbones.probe`) unless ``grid`` is given.

    Missing parts are found with an image of ``img_size`` pixels (:mod:`backbones.traced`): a linear layer after one
    pooled map, or else the last map (or patch tokens) on which the logits depend, with the rest of the network as a
    head without class maps.

    A must be the output of the last non-linearity. torchvision's and torchxrayvision's DenseNet rectify after their
    ``features``, so the dotted name would give a different map. Pass a callable, or leave ``features`` out::

        net = torchxrayvision.models.DenseNet(weights=None)
        model = wrap(net, features=lambda x: net.features(x).relu(), head="classifier")

    Raises ``UnknownNameError`` for a name that is no submodule, ``BadValueError`` when mean and a named linear layer
    behind ``features`` give other logits than the layer gives within ``module`` (:mod:`backbones.consistency`).
    """
    channels = channels or channels_of(module)
    if features is None or head is None or (isinstance(features, str) and _gives_tokens(module, features, channels)):
        if not isinstance(features, str | None) or not isinstance(head, str | None):
            raise BadValueError("a callable needs its other half: give features and head, or leave both out")
        return connect(module, find(module, channels, features, head, img_size or native(module)), channels)
    extractor = Extractor(module, features)
    locate = grid or (lambda size: probe.grid(module, extractor, size, channels))
    step: Any = submodule(module, head) if isinstance(head, str) else head
    model = Classifier(extractor, _head(step, num_classes), channels=channels, locate=locate)
    if isinstance(step, nn.Linear):
        require_whole(module, model, step, channels)
    return model


def _head(step: Any, num_classes: int | None) -> Any:
    return Head(AVG(), step) if isinstance(step, nn.Linear) else ForeignHead(step, num_classes)


def _gives_tokens(module: nn.Module, features: str, channels: int) -> bool:
    """True if a submodule gives tokens (N,T,C) or (N,h,w,C) for an image of noise; False if it cannot be run."""
    submodule(module, features)
    try:
        passage = observe(module, channels, native(module))
    except BadValueError:
        return False
    return features in passage.outputs and passage.is_tokens(passage.outputs[features])


def native(module: nn.Module) -> int:
    """Return the native image side of a network of timm or transformers; 224 if it declares none."""
    size = getattr(module, "pretrained_cfg", {}).get("input_size", (0, 0, 0))[-1]
    size = size or getattr(getattr(module, "config", None), "image_size", 0) or SIDE
    return int(size[0] if isinstance(size, list | tuple) else size)


def channels_of(module: nn.Module) -> int:
    """Return the number of image channels of a network: those of its first convolution, else 3."""
    first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    return 3 if first is None else first.in_channels
