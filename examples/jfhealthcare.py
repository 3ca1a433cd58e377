r"""jfhealthcare/Chexpert: ``config/pre_train.pth`` of the repository (Apache-2.0).

    python -m benchmark.run --suite nih --model examples/jfhealthcare.py:build --weights pre_train.pth \
        --entry jfhealthcare --img_size 512 --preprocess jf --mean 0.50196 --std 0.25098 \
        --findings Cardiomegaly Edema Consolidation Atelectasis Effusion

For finding k, the same attention layer is applied k + 1 times to the maps of a DenseNet-121. Then follow the mean and
the maximum of each channel, batch norm and a linear layer. So ``cam`` and the other methods that need one linear layer
are n/a. The code follows ``model/classifier.py`` with ``config/example.json`` at 47e1bf7, and for the attention layer
two forks that agree (Stomper10/CheXpert, thanhtran98/chexpert_pytorch_base). The network was not trained on NIH; it was
selected on CheXpert's validation images. Not verified: the weight file.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.models import densenet121


class JFHealthcare(nn.Module):
    """DenseNet-121 with one head per finding: (N,3,H,W) -> (N,5) logits."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.attention_map = densenet121(), attention_layers(1024)
        for index in range(5):
            self.add_module(f"fc_{index}", nn.Conv2d(2048, 1, 1))
            self.add_module(f"bn_{index}", nn.BatchNorm2d(2048))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N,5) of images (N,3,H,W)."""
        A, logits = self.backbone.features(images).relu(), []
        for index in range(5):
            A = self.attention_map["pyramid_attention"](A)
            pooled = torch.cat([A.mean((2, 3), keepdim=True), A.amax((2, 3), keepdim=True)], 1)
            logits.append(
                self.get_submodule(f"fc_{index}")(
                    self.get_submodule(f"bn_{index}")(pooled)
                ).flatten(1)
            )
        return torch.cat(logits, 1)


class PyramidAttention(nn.Module):
    """middle(A) * pyramid(A) + global(A): (N,C,h,w) -> (N,C,h,w), with strided convolutions.

    Equal to the original if h and w are multiples of 4 (image sides that are multiples of 128), its only sizes.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gap_branch = nn.Sequential(nn.AdaptiveAvgPool2d(1), block(channels, channels, 1))
        self.mid_branch = block(channels, channels, 1)
        for level, kernel in enumerate((7, 5, 3), 1):
            self.add_module(
                f"downsample{level}", block(channels if level == 1 else 1, 1, kernel, stride=2)
            )
            self.add_module(f"scale{level}", block(1, 1, kernel))

    def forward(self, A: Tensor) -> Tensor:
        """Weight the positions of maps."""
        return self.mid_branch(A) * self.pyramid(A, 1) + self.gap_branch(A)

    def pyramid(self, x: Tensor, level: int) -> Tensor:
        """Return the weights (N,1,h,w) of maps (N,c,h,w) from this and all coarser levels."""
        coarse = self.get_submodule(f"downsample{level}")(x)
        weights = self.get_submodule(f"scale{level}")(coarse)
        if level < 3:
            weights = weights + self.pyramid(coarse, level + 1)
        return interpolate(weights, x.shape[2:], mode="bilinear", align_corners=False)


def block(channels: int, out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Return a convolution, batch norm and ReLU, whose weights are called ``conv.0`` and ``conv.1``."""
    layers = nn.Sequential(
        nn.Conv2d(channels, out, kernel, stride, kernel // 2), nn.BatchNorm2d(out), nn.ReLU()
    )
    return nn.Sequential(OrderedDict(conv=layers))


def attention_layers(channels: int) -> nn.ModuleDict:
    """Return the attention layers of the file: the one in use, and two that this network does not use."""
    spatial = nn.ModuleDict(
        {f"conv{n}": nn.Conv2d(channels, channels // (1 if n == 3 else 8), 1) for n in (1, 2, 3)}
    )
    spatial.register_parameter("gamma", nn.Parameter(torch.zeros(1)))
    channel = {"fc1": nn.Linear(channels, channels // 2), "fc2": nn.Linear(channels // 2, channels)}
    kinds = {"channel_attention": nn.ModuleDict(channel), "spatial_attention": spatial}
    return nn.ModuleDict({**kinds, "pyramid_attention": PyramidAttention(channels)})


def build() -> nn.Module:
    """Return the network of the file."""
    return JFHealthcare()
