"""Anyone's network as a Classifier, without a change to it."""

from collections.abc import Callable
from typing import Any

from torch import nn

from backbones import probe
from backbones.classifier import Classifier
from backbones.foreign import Extractor, ForeignHead, Step, submodule
from backbones.head import Head
from backbones.pooling.avg import AVG
from backbones.whole import require_whole
from core.frames import Grid

Locate = Callable[[tuple[int, int]], Grid]


def wrap(
    module: nn.Module,
    features: str | Step,
    head: str | Step,
    num_classes: int | None = None,
    channels: int | None = None,
    grid: Locate | None = None,
) -> Classifier:
    """``module`` as a :class:`Classifier` whose A is ``features(images)`` and whose logits are ``head(A)``.

    ``features``: a callable (N,channels,H,W) -> (N,C,h,w), or the dotted name of a submodule, whose output is A; the
    network runs up to there and no further. ``head``: a callable (N,C,h,w) -> (N,K) logits, or the dotted name of a
    submodule that does that; the name of an ``nn.Linear`` means: mean over positions, then this layer, and then
    ``class_maps``, ``weight`` and ``bias`` exist. ``channels`` of the images default to the first convolution's. The
    grid is probed with gradients (:mod:`backbones.probe`) unless ``grid`` gives it.

    A must stand behind the last non-linearity. torchvision's and torchxrayvision's DenseNet rectify behind their
    ``features``, so the dotted name would give another map; a callable gives the right one::

        net = torchxrayvision.models.DenseNet(weights=None)
        model = wrap(net, features=lambda x: net.features(x).relu(), head="classifier")

    Raises ``UnknownNameError`` for a name that is no submodule, ``BadValueError`` when mean and a named linear layer
    behind ``features`` give other logits than the layer gives within ``module`` (:mod:`backbones.whole`).
    """
    extractor = Extractor(module, features)
    channels = channels or _channels(module)
    locate = grid or (lambda size: probe.grid(module, extractor, size, channels))
    step: Any = submodule(module, head) if isinstance(head, str) else head
    model = Classifier(extractor, _head(step, num_classes), channels=channels, locate=locate)
    if isinstance(step, nn.Linear):
        require_whole(module, model, step, channels)
    return model


def _head(step: Any, num_classes: int | None) -> Any:
    return Head(AVG(), step) if isinstance(step, nn.Linear) else ForeignHead(step, num_classes)


def _channels(module: nn.Module) -> int:
    first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    return 3 if first is None else first.in_channels
