"""ResNet: all kernels odd, padding symmetric, so position 0 looks at pixel 0 (offset 0, stride 32)."""

from backbones.family import Family, Features
from backbones.pretrained import MapsOf, create, levels


class ResNet(Family):
    """Residual networks of 18, 34 and 50 layers. Source: He et al., CVPR 2016; networks and weights of timm."""

    name = "resnet"
    words = ("resnet18", "resnet34", "resnet50")

    def build(self, name: str, pretrained: bool) -> Features:
        """Maps of 512 (18, 34) or 2048 (50) channels behind the last block's ReLU."""
        net = create(name, pretrained)
        return Features(MapsOf(net), net.num_features, levels(net))
