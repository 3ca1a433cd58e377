"""Finer feature maps: networks whose later strides are replaced by dilation, with the same weights.

``build`` returns the extractor of a backbone with the option ``stride`` (``resnet18:stride=8``). Without the option,
``extractors`` builds it.
"""

from typing import Any

from torch import nn

from locus.backbones.extractors import SPECIAL, Features, MapsOf, create
from locus.core.errors import BadValueError

STRIDES = (8, 16, 32)
"""Strides that a network with the option ``stride`` can have."""
DILATED = ("resnet", "efficientnet")
"""timm's modules whose networks take ``output_stride``."""


def build(name: str, pretrained: bool, stride: int) -> Features:
    """Build the extractor of a canonical ``name`` with a feature map at ``stride``, 8, 16 or 32.

    Strides and poolings beyond ``stride`` are removed, and the convolutions after them are dilated, so the weights are
    those of the usual network, whose stride is 32. Supported for timm's ResNets, EfficientNets and DenseNets.

    Raises ``BadValueError`` for a stride that the network cannot have, ``NotAvailableError`` for weights that do not
    exist or cannot be downloaded.
    """
    if name in SPECIAL or not _is_of(name, (*DILATED, "densenet")):
        raise BadValueError(
            f"the backbone {name!r} has no option 'stride': leave it out, or use a ResNet, an EfficientNet or a "
            "DenseNet"
        )
    if stride not in STRIDES:
        raise BadValueError(f"the stride of the backbone {name!r} is {stride!r}: use {', '.join(map(str, STRIDES))}")
    if _is_of(name, DILATED):
        net = create(name, pretrained, output_stride=stride)
    else:
        net = create(name, pretrained)
        _dilate_densenet(net.features, stride)
    return Features(MapsOf(net), net.num_features, tuple(stage["module"] for stage in net.feature_info))


def _is_of(name: str, modules: tuple[str, ...]) -> bool:
    """Return whether timm defines the network ``name`` in one of its ``modules``."""
    import timm  # slow import, only needed for its networks

    return bool(timm.models.is_model_in_modules(name.partition(".")[0], modules))


def _dilate_densenet(features: Any, stride: int) -> None:
    """Replace the poolings beyond ``stride`` by the identity and dilate the 3x3 convolutions after them, in place."""
    reached, dilation = 4, 1  # after the stem
    for name, block in features.named_children():
        if name.startswith("transition"):
            reached, dilation = (reached, dilation * 2) if reached == stride else (reached * 2, dilation)
            block.pool = nn.Identity() if dilation > 1 else block.pool
        for part in block.modules() if name.startswith("denseblock") else ():
            if isinstance(part, nn.Conv2d) and part.kernel_size == (3, 3):
                part.dilation = part.padding = (dilation, dilation)
