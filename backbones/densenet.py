"""DenseNet, whose three average poolings of even size give a grid with offset 14 at stride 32."""

from typing import Any

from torch import nn

from backbones.family import Features
from backbones.pretrained import TimmFamily


class DenseNet(TimmFamily):
    """DenseNet-121. Source: Huang et al., CVPR 2017; network and weights of timm.

    timm's features end with batch norm *and* ReLU, so their output is the map that is pooled. In torchvision's network
    the ReLU follows ``features`` and works in place, so the output of ``features`` is a different map.

    ``densenet121_signed`` omits this ReLU, for the weights of alinstein/X_RAY, which pools the output of torchvision's
    ``features``.
    """

    name = "densenet"
    words = ("densenet121", "densenet121_signed")

    def build(self, name: str, pretrained: bool) -> Features:
        """Build an extractor of 1024 channels, up to the final ReLU or the batch norm before it."""
        features = super().build(name.removesuffix("_signed"), pretrained)
        if name.endswith("_signed"):
            maps: Any = features.extractor
            maps.net.features.norm5.act = nn.Identity()
        return features
