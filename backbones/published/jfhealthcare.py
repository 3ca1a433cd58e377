"""The network whose weights are in ``pre_train.pth`` of jfhealthcare/Chexpert; parameters have that file's names."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.models import densenet121


class JFHealthcare(nn.Module):
    """DenseNet-121 with one head per finding: (N,3,H,W) -> (N,findings) logits.

    For finding k, the same attention layer is applied k + 1 times to the maps. Then follow the mean and the maximum of
    each channel (concatenated), batch norm and a linear layer. Source: jfhealthcare/Chexpert,
    ``model/classifier.py`` with the configuration ``config/example.json`` at 47e1bf7 (``AVG_MAX``, ``FPA``, ``fc_bn``).
    """

    def __init__(self, findings: int = 5) -> None:
        super().__init__()
        self.backbone, self.features = densenet121(), nn.ReLU()
        channels = self.backbone.classifier.in_features
        for index in range(findings):
            setattr(self, f"fc_{index}", nn.Conv2d(2 * channels, 1, 1))
            setattr(self, f"bn_{index}", nn.BatchNorm2d(2 * channels))
        self.findings, self.attention_map = findings, _attentions(channels)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N,findings) of images (N,3,H,W)."""
        A, logits = self.features(self.backbone.features(images)), []
        for index in range(self.findings):
            A = self.attention_map["pyramid_attention"](A)
            pooled = torch.cat([A.mean((2, 3), keepdim=True), A.amax((2, 3), keepdim=True)], 1)
            logits.append(getattr(self, f"fc_{index}")(getattr(self, f"bn_{index}")(pooled)).flatten(1))
        return torch.cat(logits, 1)


class StridedFPA(nn.Module):
    """middle(A) * pyramid(A) + global(A): (N,C,h,w) -> (N,C,h,w).

    Unlike :class:`backbones.attention.fpa.FPA`, it downsamples by strided convolutions. Equal to the original layer
    if h and w are multiples of 4 (image sides that are multiples of 128); the original supports no other sizes.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gap_branch = nn.Sequential(nn.AdaptiveAvgPool2d(1), _block(channels, channels, 1))
        self.mid_branch = _block(channels, channels, 1)
        for level, kernel in enumerate((7, 5, 3), 1):
            setattr(self, f"downsample{level}", _block(channels if level == 1 else 1, 1, kernel, stride=2))
            setattr(self, f"scale{level}", _block(1, 1, kernel))

    def forward(self, A: Tensor) -> Tensor:
        """Weight the positions: (N,C,h,w) -> (N,C,h,w)."""
        return self.mid_branch(A) * self._pyramid(A, 1) + self.gap_branch(A)

    def _pyramid(self, x: Tensor, level: int) -> Tensor:
        """Return the weights (N,1,h,w) of maps (N,c,h,w) from this and all coarser levels."""
        coarse = getattr(self, f"downsample{level}")(x)
        weights = getattr(self, f"scale{level}")(coarse)
        if level < 3:
            weights = weights + self._pyramid(coarse, level + 1)
        return interpolate(weights, x.shape[2:], mode="bilinear", align_corners=False)


def _attentions(channels: int) -> nn.ModuleDict:
    """Return the attention layers of the file: FPA, and two kinds that this network does not use."""
    convolutions = {"conv1": channels // 8, "conv2": channels // 8, "conv3": channels}
    spatial = nn.ModuleDict({name: nn.Conv2d(channels, wide, 1) for name, wide in convolutions.items()})
    spatial.register_parameter("gamma", nn.Parameter(torch.zeros(1)))
    channel = {"fc1": nn.Linear(channels, channels // 2), "fc2": nn.Linear(channels // 2, channels)}
    kinds = {"channel_attention": nn.ModuleDict(channel), "spatial_attention": spatial}
    return nn.ModuleDict({**kinds, "pyramid_attention": StridedFPA(channels)})


def _block(channels: int, out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Return a convolution, batch norm and ReLU, whose weights are called ``conv.0`` and ``conv.1``."""
    layers = nn.Sequential(nn.Conv2d(channels, out, kernel, stride, kernel // 2), nn.BatchNorm2d(out), nn.ReLU())
    return nn.Sequential(OrderedDict(conv=layers))
