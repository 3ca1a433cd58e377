r"""CheXNet: ``model.pth.tar`` of arnoweng/CheXNet, or ``m-25012018-123527.pth.tar`` of zoogzog/chexnet.

    python -m benchmark.run --suite nih --model examples/chexnet.py:build --weights model.pth.tar --entry chexnet \
        --img_size 224 --trained_on train_list.txt --findings Atelectasis Cardiomegaly Effusion Infiltration Mass \
        Nodule Pneumonia Pneumothorax Consolidation Edema Emphysema Fibrosis Pleural_Thickening Hernia

``train_list.txt`` is the repository's list. Both networks were trained on 17,920 of NIH's 25,596 test images, including
606 of the 880 boxed ones; ``--trained_on`` excludes them. Licence: none found. Not verified: the weight files.
"""

import torch
import torchvision
from torch import Tensor, nn


class Layer(nn.Module):
    """A dense layer with the names of 2017: ``norm.1`` instead of ``norm1``."""

    def __init__(self, layer: nn.Module) -> None:
        """Take the parts of a current ``layer``."""
        super().__init__()
        self.norm = nn.ModuleDict({word: layer.get_submodule(f"norm{word}") for word in "12"})
        self.conv = nn.ModuleDict({word: layer.get_submodule(f"conv{word}") for word in "12"})

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Return the new maps of the layer."""
        narrow = self.conv["1"](self.norm["1"](torch.cat(maps, 1)).relu())
        return self.conv["2"](self.norm["2"](narrow).relu())


def build() -> nn.Module:
    """Return the network without its last sigmoid, because Locus needs logits."""
    net = torchvision.models.densenet121(num_classes=14)
    for block in (
        part for name, part in net.features.named_children() if name.startswith("denseblock")
    ):
        for name in block:
            block[name] = Layer(block[name])
    net.classifier = nn.Sequential(net.classifier)
    return net
