"""Convert batches of uint8 pixels to network input: normalisation and, for training, random augmentation."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from locus.core.errors import BadValueError, UnknownNameError
from locus.core.registry import construct
from locus.core.types import IMAGENET_MEAN, IMAGENET_STD

Transform = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
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
    hide: float = 0.0
    """Probability that a patch is hidden (mean grey); its side is drawn per image from ``PATCHES``."""
    cutmix: float = 0.0
    """Probability that a box of each image of a batch is replaced by that of another one, and the labels are mixed."""


AUGMENTS = {
    "none": Augment(),
    "flip": Augment(flip=True),
    "light": Augment(rotation=5, scale=0.05, translation=0.03, flip=True),
    "affine_contrast": Augment(
        rotation=10, scale=0.15, translation=0.08, contrast=0.3, brightness=0.1
    ),
    "siim": Augment(rotation=11.355, scale=0.2789, shear=1, translation=0.07357),
    "jf": Augment(rotation=15, scale=0.05, translation=0.05, fill=128 / 255),
    "has": Augment(hide=0.5),
    "cutmix": Augment(cutmix=1.0),
}
PATCHES = (0.0, 16 / 224, 32 / 224, 44 / 224, 56 / 224)
"""Sides of the patches of Hide-and-Seek, as fractions of the image's side; 0: the image stays whole."""


def evaluation() -> Transform:
    """Return the transform for evaluation: uint8 (N,H,W) or (N,1,H,W) -> normalised float32 (N,3,H,W).

    >>> evaluation()(torch.zeros(1, 2, 2, dtype=torch.uint8)).shape
    torch.Size([1, 3, 2, 2])
    """
    return lambda images: _normalised(_scaled(images))


def training(augment: str = "none", generator: torch.Generator | None = None) -> Transform:
    """Return the transform for training: the random augmentation ``augment``, per image, then as ``evaluation``."""
    amounts = _amounts(augment)

    def transform(images: Tensor) -> Tensor:
        images = _normalised(_augmented(_scaled(images), amounts, generator))
        return _hidden(images, amounts.hide, generator) if amounts.hide else images

    return transform


def _hidden(images: Tensor, share: float, generator: torch.Generator | None) -> Tensor:
    """Hide patches of (N,3,H,W). Source: Kumar Singh and Lee, ICCV 2017 (Hide-and-Seek)."""
    patch_indices = torch.randint(len(PATCHES), (len(images),), generator=generator).tolist()
    chances = torch.rand(images.shape[0], *images.shape[-2:], generator=generator).to(images.device)
    return torch.stack(
        [
            hide(image, PATCHES[index], chance, share)
            for image, index, chance in zip(images, patch_indices, chances, strict=True)
        ]
    )


def hide(image: Tensor, fraction: float, chances: Tensor, share: float) -> Tensor:
    """Set some squares of an image to 0.

    Args:
        image: (3,H,W).
        fraction: side of the squares as a share of the width; 0: none are hidden.
        chances: (rows, columns) a number in [0,1] per square.
        share: squares whose number is below it are hidden.
    """
    height, width = image.shape[-2:]
    side = round(fraction * width)
    if not side:
        return image
    rows = torch.arange(height, device=image.device) // side
    columns = torch.arange(width, device=image.device) // side
    return image * (chances[rows[:, None], columns] >= share)


def is_mixed(augment: str) -> bool:
    """Return whether the augmentation mixes images and their labels."""
    return _amounts(augment).cutmix > 0


def mixed(
    images: Tensor, labels: Tensor, augment: str, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mix the images of a batch and their labels. Source: Yun et al., ICCV 2019 (CutMix).

    A box with a uniform share of the area, clipped to the image, comes from another image of the batch; labels are
    mixed by area. A label that is unknown in one of the images is unknown.

    Args:
        images: (N,3,H,W).
        labels: (N,K) 0, 1 or nan.
        augment: the flag ``--augment``, which says how often batches are mixed.
        generator: draws the box and the order of the images.

    Returns:
        The images and the labels, which may be shares.
    """
    mix, share, down, right = torch.rand(4, generator=generator).tolist()
    order = torch.randperm(len(images), generator=generator)
    if mix >= _amounts(augment).cutmix:
        return images, labels
    height, width = images.shape[-2:]
    top, bottom = _side(height, share, down)
    left, end = _side(width, share, right)
    images = images.clone()
    images[:, :, top:bottom, left:end] = images[order, :, top:bottom, left:end]
    area = (bottom - top) * (end - left) / (height * width)
    return images, (1 - area) * labels + area * labels[order]


def _side(size: int, share: float, centre: float) -> tuple[int, int]:
    """Return the first pixel of one side of a box with ``share`` of the area, and the pixel after its last one."""
    half = int(size * math.sqrt(share)) // 2
    middle = int(size * centre)
    return max(middle - half, 0), min(middle + half, size)


def training_with_masks(
    images: Tensor, masks: Tensor, augment: str, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return the transform for training of images and of masks, which move with their image.

    Args:
        images: (N,H,W) uint8.
        masks: (N,K,h,w).
        augment: the flag ``--augment``.
        generator: draws the changes.

    Returns:
        The images (N,3,H,W), normalised, and the masks (N,K,h,w).
    """
    amounts = _amounts(augment)
    scaled = _scaled(images)
    chance = _chance(scaled, generator)
    return _normalised(_changed(scaled, amounts, chance)), _moved(masks, amounts, chance)


def _amounts(augment: str) -> Augment:
    """Parse an augmentation with options, such as ``light:rotation=10,flip=False``."""
    name = augment.split(":")[0]
    if name not in AUGMENTS:
        raise UnknownNameError("augmentation", name, AUGMENTS)
    amounts: Augment = construct(Augment, "augmentation", augment, asdict(AUGMENTS[name]))
    for option, value in asdict(amounts).items():
        is_number = isinstance(value, int | float) and isinstance(value, bool) == (option == "flip")
        if not is_number or value < 0:
            raise BadValueError(
                f"{augment!r} has {option}={value}: give a number of at least 0 (flip: True or False)"
            )
    if max(amounts.hide, amounts.cutmix) > 1:
        raise BadValueError(
            f"{augment!r} has a probability above 1: give hide and cutmix from 0 to 1"
        )
    return amounts


def _scaled(images: Tensor) -> Tensor:
    """Scale (N,H,W) or (N,1,H,W) uint8 to (N,1,H,W) float32 in [0,1]."""
    images = images.unsqueeze(1) if images.ndim == 3 else images
    return images.to(torch.float32) / 255


def _normalised(images: Tensor) -> Tensor:
    """Normalise (N,1,H,W) in [0,1] to (N,3,H,W) by ImageNet's mean and standard deviation."""
    mean = torch.tensor(IMAGENET_MEAN).view(1, -1, 1, 1).to(images.device, non_blocking=True)
    std = torch.tensor(IMAGENET_STD).view(1, -1, 1, 1).to(images.device, non_blocking=True)
    return (images - mean) / std


def _augmented(images: Tensor, amounts: Augment, generator: torch.Generator | None) -> Tensor:
    if replace(amounts, hide=0, cutmix=0) == Augment():
        return images
    return _changed(images, amounts, _chance(images, generator))


def _chance(images: Tensor, generator: torch.Generator | None) -> Tensor:
    """Return (N,9) random numbers in [-1, 1)."""
    return (
        torch.rand((len(images), 9), generator=generator).to(images.device, non_blocking=True) * 2
        - 1
    )


def _moved(images: Tensor, amounts: Augment, chance: Tensor) -> Tensor:
    grid = functional.affine_grid(
        _matrices(chance, amounts), list(images.shape), align_corners=False
    )
    return functional.grid_sample(images, grid, align_corners=False)


def _changed(images: Tensor, amounts: Augment, chance: Tensor) -> Tensor:
    """Move images (N,1,H,W) and change their contrast and brightness, by the random numbers ``chance`` (N,9)."""
    images = _moved(images - amounts.fill, amounts, chance) + amounts.fill
    mean = images.mean((1, 2, 3), keepdim=True)
    contrast = amounts.contrast * chance[:, 7].view(-1, 1, 1, 1)
    brightness = amounts.brightness * chance[:, 8].view(-1, 1, 1, 1)
    return (mean + (images - mean) * (1 + contrast) + brightness).clamp(0, 1)


def _matrices(chance: Tensor, amounts: Augment) -> Tensor:
    """Return (N,2,3) matrices for ``affine_grid``: output position -> input position, in [-1, 1]."""
    angle = math.radians(amounts.rotation) * chance[:, 0]
    shear = math.radians(amounts.shear) * chance[:, 1]
    zoom = 1 / (1 + amounts.scale * chance[:, 2])
    mirror = torch.where((chance[:, 3] < 0) & amounts.flip, -1.0, 1.0)
    shift = 2 * amounts.translation * chance[:, 4:6]
    x = torch.stack([zoom * angle.cos() * mirror, zoom * (angle + shear).sin(), shift[:, 0]], 1)
    y = torch.stack([-zoom * angle.sin() * mirror, zoom * (angle + shear).cos(), shift[:, 1]], 1)
    return torch.stack([x, y], 1)
