"""Anyone's network as a Classifier, without a change to it."""

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
    """``module`` as a :class:`Classifier` whose A is ``features(images)`` and whose logits are ``head(A)``.

    ``features``: a callable (N,channels,H,W) -> (N,C,h,w), or the dotted name of a submodule, whose output is A; the
    network runs up to there and no further. ``head``: a callable (N,C,h,w) -> (N,K) logits, or the dotted name of a
    submodule that does that; the name of an ``nn.Linear`` means: mean over positions, then this layer, and then
    ``class_maps``, ``weight`` and ``bias`` exist. ``channels`` of the images default to the first convolution's. The
    grid is probed with gradients (:mod:`backbones.probe`) unless ``grid`` gives it.

    What is left out is found on an image of ``img_size`` pixels (:mod:`backbones.traced`): one linear layer behind one
    pooled map, or else the last map on which the logits depend, a transformer's tokens too, with the rest of the
    network as a head without class maps.

    A must stand behind the last non-linearity. torchvision's and torchxrayvision's DenseNet rectify behind their
    ``features``, so the dotted name would give another map; a callable gives the right one, and so does none at all::

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
    """Whether a submodule gives (N,T,C) or (N,h,w,C), no map; False also where an image of noise can't tell."""
    submodule(module, features)
    try:
        passage = observe(module, channels, native(module))
    except BadValueError:
        return False
    return features in passage.outputs and passage.is_tokens(passage.outputs[features])


def native(module: nn.Module) -> int:
    """Side of the images that a network of timm or transformers says that it is made for; else 224."""
    stated = getattr(module, "pretrained_cfg", {}).get("input_size", (0, 0, 0))[-1]
    stated = stated or getattr(getattr(module, "config", None), "image_size", 0) or SIDE
    return int(stated[0] if isinstance(stated, list | tuple) else stated)


def channels_of(module: nn.Module) -> int:
    """Channels of the images that a network takes: those of its first convolution, else 3."""
    first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    return 3 if first is None else first.in_channels
