"""Small network of the demo, with sharp maps and a centred grid, that trains in minutes on a CPU."""

from itertools import pairwise

from torch import nn

from backbones.family import Family, Features
from core.errors import NotAvailableError

WIDTHS = (3, 24, 48, 96, 128)


class Custom(Family):
    """Four stages of 24, 48, 96 and 128 channels; 16x16 maps at 128 px, stride 8, offset 3.5.

    The three strided convolutions have even kernels (k4/s2/p1), so the grid is centred: the aligned and the
    conventional positions of its maps are the same. The last ReLU is not in place.
    """

    name = "custom"
    words = ("custom",)

    def build(self, name: str, pretrained: bool) -> Features:
        """Build the network with random weights. Raises ``NotAvailableError`` for pretrained ones."""
        if pretrained:
            raise NotAvailableError("the backbone 'custom' has no ImageNet weights: train it with --pretrained False")
        halving = [_stage(nn.Conv2d(n, wide, 4, stride=2, padding=1, bias=False)) for n, wide in pairwise(WIDTHS[:-1])]
        last = _stage(nn.Conv2d(*WIDTHS[-2:], 3, padding=1, bias=False))
        layer_names = ("features.0", "features.1", "features.2", "features.3")
        return Features(nn.Sequential(*halving, last), WIDTHS[-1], layer_names)


def _stage(enter: nn.Conv2d) -> nn.Sequential:
    wide = enter.out_channels
    refine = nn.Conv2d(wide, wide, 3, padding=1, bias=False)
    return nn.Sequential(enter, nn.BatchNorm2d(wide), nn.ReLU(), refine, nn.BatchNorm2d(wide), nn.ReLU())
