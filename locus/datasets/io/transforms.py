"""Convert batches of uint8 pixels to network input: normalisation and, for training, random augmentation."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn import functional

from locus.core.errors import BadValueError, UnknownNameError
from locus.core.registry import construct
from locus.core.types import IMAGENET_MEAN, IMAGENET_STD

Transform = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Augment:
    """Amounts of augmentation; each amount a is drawn uniformly from [-a, a] per image."""

    rotation: float = 0.0
    """Degrees."""
    scale: float = 0.0
    """Fraction: .1 is a zoom of .9 to 1.1."""
    shear: float = 0.0
    """Degrees."""
    translation: float = 0.0
    """Fraction of the image side."""
    flip: bool = False
    """Mirror left and right with probability .5, which also moves the heart to the other side."""
    contrast: float = 0.0
    """Fraction, around the image's mean."""
    brightness: float = 0.0
    """Fraction of white."""
    fill: float = 0.0
    """Fraction of white outside the image."""


AUGMENTS = {
    "none": Augment(),
    "flip": Augment(flip=True),
    "light": Augment(rotation=5, scale=0.05, translation=0.03, flip=True),
    "affine_contrast": Augment(rotation=10, scale=0.15, translation=0.08, contrast=0.3, brightness=0.1),
    "siim": Augment(rotation=11.355, scale=0.2789, shear=1, translation=0.07357),
    "jf": Augment(rotation=15, scale=0.05, translation=0.05, fill=128 / 255),
}


def evaluation() -> Transform:
    """Return the transform for evaluation: uint8 (N,H,W) or (N,1,H,W) -> normalised float32 (N,3,H,W).

    >>> evaluation()(torch.zeros(1, 2, 2, dtype=torch.uint8)).shape
    torch.Size([1, 3, 2, 2])
    """
    return lambda images: _normalised(_scaled(images))


def training(augment: str = "none", generator: torch.Generator | None = None) -> Transform:
    """Return the transform for training: the random augmentation ``augment``, per image, then as ``evaluation``."""
    amounts = _amounts(augment)
    return lambda images: _normalised(_augmented(_scaled(images), amounts, generator))


def training_with_masks(
    images: Tensor, masks: Tensor, augment: str, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return the transform for training of images (N,H,W) and ``masks`` (N,K,h,w), which move with their image."""
    amounts, scaled = _amounts(augment), _scaled(images)
    chance = _chance(scaled, generator)
    return _normalised(_changed(scaled, amounts, chance)), _moved(masks, amounts, chance)


def _amounts(augment: str) -> Augment:
    """Parse an augmentation with options, such as ``light:rotation=10,flip=False``."""
    name = augment.split(":")[0]
    if name not in AUGMENTS:
        raise UnknownNameError("augmentation", name, AUGMENTS)
    amounts: Augment = construct(Augment, "augmentation", augment, asdict(AUGMENTS[name]))
    for option, value in asdict(amounts).items():
        if not isinstance(value, int | float) or value < 0:
            raise BadValueError(f"{augment!r} has {option}={value}: give a number of at least 0 (flip: True or False)")
    return amounts


def _scaled(images: Tensor) -> Tensor:
    """Scale (N,H,W) or (N,1,H,W) uint8 to (N,1,H,W) float32 in [0,1]."""
    images = images.unsqueeze(1) if images.ndim == 3 else images
    return images.to(torch.float32) / 255


def _normalised(images: Tensor) -> Tensor:
    """Normalise (N,1,H,W) in [0,1] to (N,3,H,W) by ImageNet's mean and standard deviation."""
    ends = (torch.tensor(values).view(1, -1, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    centre, spread = (values.to(images.device, non_blocking=True) for values in ends)  # without waiting for the GPU
    return (images - centre) / spread


def _augmented(images: Tensor, amounts: Augment, generator: torch.Generator | None) -> Tensor:
    return images if amounts == Augment() else _changed(images, amounts, _chance(images, generator))


def _chance(images: Tensor, generator: torch.Generator | None) -> Tensor:
    """Return (N,9) random numbers in [-1, 1)."""
    return torch.rand((len(images), 9), generator=generator).to(images.device, non_blocking=True) * 2 - 1


def _moved(images: Tensor, amounts: Augment, chance: Tensor) -> Tensor:
    grid = functional.affine_grid(_matrices(chance, amounts), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def _changed(images: Tensor, amounts: Augment, chance: Tensor) -> Tensor:
    images = _moved(images - amounts.fill, amounts, chance) + amounts.fill
    mean = images.mean((1, 2, 3), keepdim=True)
    contrast, brightness = (chance[:, k].view(-1, 1, 1, 1) for k in (7, 8))
    images = mean + (images - mean) * (1 + amounts.contrast * contrast) + amounts.brightness * brightness
    return images.clamp(0, 1)


def _matrices(chance: Tensor, amounts: Augment) -> Tensor:
    """Return (N,2,3) matrices for ``affine_grid``: output position -> input position, in [-1, 1]."""
    angle, shear = (math.radians(a) * chance[:, k] for k, a in ((0, amounts.rotation), (1, amounts.shear)))
    zoom = 1 / (1 + amounts.scale * chance[:, 2])
    mirror = torch.where((chance[:, 3] < 0) & amounts.flip, -1.0, 1.0)
    shift = 2 * amounts.translation * chance[:, 4:6]
    x = torch.stack([zoom * angle.cos() * mirror, zoom * (angle + shear).sin(), shift[:, 0]], 1)
    y = torch.stack([-zoom * angle.sin() * mirror, zoom * (angle + shear).cos(), shift[:, 1]], 1)
    return torch.stack([x, y], 1)
