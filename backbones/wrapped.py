"""Wrap any network as a ``Classifier`` without changing it."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from backbones import probe
from backbones.classifier import Classifier
from backbones.consistency import SIDE, require_same_logits
from backbones.forward_trace import observe
from backbones.head import Head
from backbones.model_spec import connect
from backbones.pooling.avg import AVG
from backbones.traced import find_model_spec
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
    findings: Sequence[str] = (),
) -> Classifier:
    """Wrap ``module`` as a :class:`Classifier` with A = ``features(images)`` and logits = ``head(A)``.

    Args:
        module: the network; it is not changed.
        features: a callable (N,channels,H,W) -> (N,C,h,w), or the dotted name of the submodule with output A. Default:
            detected with an image of ``img_size`` pixels (:mod:`backbones.traced`).
        head: a callable (N,C,h,w) -> (N,K) logits, or the dotted name of a submodule. If it names an
            ``nn.Linear``, the head is the mean over positions followed by this layer, and the model has
            ``class_maps``, ``weight`` and ``bias``. Default: detected, else the rest of the network.
        num_classes: number of outputs, if ``head`` is a callable.
        channels: number of image channels. Default: the input channels of the first convolution.
        grid: function from the input's (H, W) to the grid of A. Default: measured with gradients
            (:mod:`backbones.probe`).
        img_size: side of the input images in pixels. If None, layers are detected at the native size or, if that is
            unknown, at 224.
        findings: names of the outputs, in order.

    A must be the output of the last non-linearity. The DenseNets of torchvision and torchxrayvision apply a ReLU after
    their ``features``, so the name ``features`` would give a different map. Pass a callable, or omit both arguments::

        net = torchxrayvision.models.DenseNet(weights=None)
        model = wrap(net, features=lambda x: net.features(x).relu(), head="classifier")

    Raises:
        UnknownNameError: an unknown submodule. BadValueError: features and head do not give the logits of ``module``
        (:mod:`backbones.consistency`).
    """
    channels = channels or channels_of(module)
    if features is None or head is None or (isinstance(features, str) and _gives_tokens(module, features, channels)):
        if not isinstance(features, str | None) or not isinstance(head, str | None):
            raise BadValueError("features and head must both be given if one of them is a callable")
        trace = observe(module, channels, img_size or native(module))
        model = connect(module, find_model_spec(module, trace, features, head), channels)
        return model.set_outputs(findings, img_size)
    extractor = Extractor(module, features)
    locate = grid or (lambda size: probe.grid(module, extractor, size, channels))
    step: Any = submodule(module, head) if isinstance(head, str) else head
    is_linear = isinstance(step, nn.Linear)
    last: Any = Head(AVG(), step) if is_linear else ForeignHead(step, num_classes)
    model = Classifier(extractor, last, channels=channels, locate=locate)
    if is_linear:
        require_same_logits(module, model, step, channels)
    return model.set_outputs(findings, img_size)


def _gives_tokens(module: nn.Module, features: str, channels: int) -> bool:
    """Return whether a submodule returns tokens (N,T,C) or (N,h,w,C) for a noise image; False if the network fails."""
    submodule(module, features)
    try:
        trace = observe(module, channels, native(module))
    except BadValueError:
        return False
    return features in trace.outputs and trace.is_tokens(trace.outputs[features])


def native(module: nn.Module) -> int:
    """Return the native input side length of a network from timm or transformers, else 224."""
    size = getattr(module, "pretrained_cfg", {}).get("input_size", (0, 0, 0))[-1]
    size = size or getattr(getattr(module, "config", None), "image_size", 0) or SIDE
    return int(size[0] if isinstance(size, list | tuple) else size)


def channels_of(module: nn.Module) -> int:
    """Return the number of image channels of a network: those of its first convolution, else 3."""
    first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    return 3 if first is None else first.in_channels
