"""SqueezeNet, which is not padded and has a grid with offset 15 at stride 16."""

from backbones.family import Family, Features
from backbones.pretrained import from_torchvision

LEVELS = ("features.1", "features.4", "features.7")
"""Inputs of the max poolings, at strides 2, 4 and 8."""


class SqueezeNet(Family):
    """SqueezeNet 1.1. Source: Iandola et al., arXiv:1602.07360; network and weights of torchvision.

    The published head (dropout, one 1x1 convolution, ReLU, mean) rectifies its logits; the head of Locus does not.
    """

    name = "squeezenet"
    words = ("squeezenet1_1",)

    def build(self, name: str, pretrained: bool) -> Features:
        """Build an extractor of 512 channels: the concatenated ReLUs of the last fire module."""
        from torchvision.models import SqueezeNet1_1_Weights, squeezenet1_1  # slow import, only needed here

        weights = SqueezeNet1_1_Weights.IMAGENET1K_V1 if pretrained else None
        return Features(from_torchvision(name, squeezenet1_1, weights).features, 512, LEVELS)
