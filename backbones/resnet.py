"""ResNet, whose odd kernels and symmetric padding give a grid with offset 0 at stride 32."""

from backbones.pretrained import TimmFamily


class ResNet(TimmFamily):
    """Residual networks of 18, 34 and 50 layers. Source: He et al., CVPR 2016; networks and weights of timm.

    Maps of 512 (18, 34) or 2048 (50) channels after the last block's ReLU.
    """

    name = "resnet"
    words = ("resnet18", "resnet34", "resnet50")
