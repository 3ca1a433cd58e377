"""Conversion of ImageNet-normalised images to the grey values that other networks expect."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from core.errors import BadValueError
from core.types import IMAGENET_MEAN, IMAGENET_STD


class Rescale(nn.Module):
    """Undo ImageNet's normalisation and return (p - mean) / std of the grey values p in [0, 255], in all channels.

    Set by options of a backbone, for weights trained that way: ``densenet121:mean=128,std=64`` (jfhealthcare),
    ``mean=127.5,std=0.12451171875`` (torchxrayvision: -1024 to 1024). Has no parameters and stores nothing.

    >>> black = (torch.zeros(3) - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    >>> Rescale(mean=128, std=64)(black.reshape(1, 3, 1, 1)).flatten().round(decimals=5).tolist()
    [-2.0, -2.0, -2.0]
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: float = 0.0, std: float = 255.0) -> None:
        super().__init__()
        if isinstance(mean, str) or isinstance(std, str) or not std > 0:
            raise BadValueError(
                f"mean and std must be grey values in [0, 255], and std above 0, but are {mean} and {std}"
            )
        scale = torch.tensor(IMAGENET_STD, dtype=torch.float64) * 255 / std
        shift = (torch.tensor(IMAGENET_MEAN, dtype=torch.float64) * 255 - mean) / std
        self.set(scale, shift)

    def set(self, scale: Tensor, shift: Tensor) -> None:
        """Set the factor ``scale`` and the offset ``shift`` of each channel."""
        self.register_buffer("scale", scale.float().reshape(-1, 1, 1), persistent=False)
        self.register_buffer("shift", shift.float().reshape(-1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Convert images (N,3,H,W) from ImageNet's normalisation to ``mean`` and ``std``."""
        return images * self.scale.to(images.dtype) + self.shift.to(images.dtype)


def normalise(pixels: Tensor) -> Tensor:
    """Normalise (N,H,W) uint8 by ImageNet's mean and standard deviation, after scaling to [0, 1]: (N,3,H,W) float32.

    >>> normalise(torch.zeros(1, 2, 2, dtype=torch.uint8)).shape
    torch.Size([1, 3, 2, 2])
    """
    mean, std = (
        torch.tensor(values, device=pixels.device).view(1, -1, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD)
    )
    return (pixels[:, None].to(torch.float32) / 255 - mean) / std


def normalised(mean: Sequence[float], std: Sequence[float], channels: int) -> Rescale | None:
    """Return the conversion to (p - mean) / std of grey values p in [0, 1]; None if these are ImageNet's statistics.

    ``mean`` and ``std`` have one value for all ``channels`` or one each. Raises ``BadValueError`` for another number of
    values, or a standard deviation that is not above 0.

    >>> normalised(IMAGENET_MEAN, IMAGENET_STD, 3) is None, normalised((0.5,), (0.5,), 1)(torch.zeros(1, 1, 1, 1)).shape
    (True, torch.Size([1, 1, 1, 1]))
    """
    for word, values in (("mean", mean), ("std", std)):
        if len(values) not in (1, channels) or (word == "std" and not min(values) > 0):
            raise BadValueError(
                f"--{word} is {' '.join(map(str, values))}: give one number, or one for each of the {channels} "
                "channels, for grey values in [0, 1]; --std must be above 0"
            )
    if channels == 3 and (tuple(mean), tuple(std)) == (IMAGENET_MEAN, IMAGENET_STD):
        return None
    wanted = [torch.tensor(values, dtype=torch.float64).expand(channels) for values in (mean, std)]
    rescale = Rescale()
    ours, spread = (torch.tensor(values[:channels], dtype=torch.float64) for values in (IMAGENET_MEAN, IMAGENET_STD))
    rescale.set(spread / wanted[1], (ours - wanted[0]) / wanted[1])
    return rescale
