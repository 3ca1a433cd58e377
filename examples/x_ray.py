"""alinstein/X_RAY: its DenseNet-121 with LSE pooling (``build``), ResNet-18 (``resnet18``) and PCAM model (``Pcam``).

    python heatmap.py --model examples/x_ray.py:build --weights x_ray.pth --image FILE --findings …

The repository has no weights: use a file that you trained with it. The networks return logits, without its sigmoid.
"""

import math

import torch
import torchvision
from torch import Tensor, nn


class build(nn.Module):  # noqa: N801 - the name in --model examples/x_ray.py:build
    """DenseNet-121 without a ReLU after its features, LSE pooling and a 1x1 convolution."""

    def __init__(self, num_classes: int = 8, gamma: float = 0.5) -> None:
        super().__init__()
        self.img_model, self.gamma = torchvision.models.densenet121(), gamma
        self.FF = nn.Sequential(nn.Conv2d(1024, num_classes, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N,K) of images (N,3,H,W)."""
        A = self.img_model.features(images)
        total = torch.logsumexp(self.gamma * A, (2, 3), keepdim=True)
        return self.FF((total - math.log(A.shape[2] * A.shape[3])) / self.gamma).flatten(1)


class Pcam(nn.Module):
    """ResNet-18 with PCAM pooling, without its dropout, which the repository also applies in evaluation."""

    def __init__(self, num_classes: int = 8) -> None:
        super().__init__()
        self.img_model = nn.Sequential(*[*torchvision.models.resnet18().children()][:-2])
        self.num_classes = num_classes
        for index in range(num_classes):
            self.add_module(f"fc_{index}", nn.Conv2d(512, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N,K) of images (N,3,H,W)."""
        A, logits = self.img_model(images), []
        for index in range(self.num_classes):
            head = self.get_submodule(f"fc_{index}")
            chance = head(A).sigmoid()
            weighted = A * chance / chance.sum((2, 3), keepdim=True)
            logits.append(head(weighted.sum((2, 3), keepdim=True)).flatten(1))
        return torch.cat(logits, 1)


def resnet18(num_classes: int = 8) -> nn.Module:
    """Return ResNet-18, whose dropout has no effect in evaluation."""
    net = torchvision.models.resnet18()
    net.fc = nn.Sequential(nn.Dropout(0.5), nn.Linear(512, num_classes))
    return net
