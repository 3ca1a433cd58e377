"""Batch sizes and memory format of the engine: from a fixed budget, never from the memory that happens to be free."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from config import EngineFlags

if TYPE_CHECKING:
    from backbones import Classifier

GIB = 2**30
FLOATS_PER_PIXEL = 128
"""Activations alive at once in a forward pass, per pixel of the input: an upper bound for the usual networks."""
BACKWARD = 5
"""Memory of a pass with gradients, relative to one without."""
TEMPORARIES = 6
"""Assumed number of temporary tensors of the size of G in a method."""
CACHE = 8 * 2**20
"""Bytes of G per part on a CPU: sums over data in the cache are several times faster."""
ATTENDED = 3
"""Assumed number of tensors of the size of all attention matrices in a pass that records them."""
PIXELS = 8 * 224 * 224
"""Input pixels per forward pass of many images on a CPU, eight of 224 px: more are not faster and need memory."""


def images_at_once(images: Tensor, memory_gib: float) -> int:
    """Return how many images of the size of ``images`` (N,3,H,W) fit a forward pass, at least 1.

    >>> images_at_once(torch.empty(1, 3, 224, 224), 2.0) > images_at_once(torch.empty(1, 3, 448, 448), 2.0)
    True
    """
    bytes_per_image = images.shape[-2] * images.shape[-1] * FLOATS_PER_PIXEL * 4
    return max(1, int(memory_gib * GIB / bytes_per_image))


def recorded_at_once(images: Tensor, memory_gib: float) -> int:
    """Return how many images fit a pass with gradients.

    Fewer by the factor ``BACKWARD``, because the outputs of all layers are stored.
    """
    return max(1, images_at_once(images, memory_gib) // BACKWARD)


def maps_at_once(A: Tensor, memory_gib: float) -> int:
    """Return how many maps of the size of ``A`` (N,C,h,w) fit one call of the head."""
    return max(1, int(memory_gib * GIB / TEMPORARIES / (A[0].numel() * 4)))


def forward_at_once(images: Tensor, memory_gib: float) -> int:
    """Return how many of many images one forward pass takes.

    On a CPU fewer than fit in memory: a batch larger than the processor's cache is slower per image.
    """
    fits = images_at_once(images, memory_gib)
    return fits if images.is_cuda else max(1, min(fits, PIXELS // (images.shape[-2] * images.shape[-1])))


def gradients_at_once(A: Tensor, memory_gib: float) -> int:
    """Return for how many (image, finding) pairs G, (C,h,w) each, fits in memory; at least 1."""
    fits = maps_at_once(A, memory_gib)
    return fits if A.is_cuda else max(1, min(fits, CACHE // (A[0].numel() * 4)))


def attended_at_once(images: Tensor, floats: int, memory_gib: float) -> int:
    """Return how many images fit a pass with gradients that stores ``floats`` attention values per image."""
    fits = min(recorded_at_once(images, memory_gib), int(memory_gib * GIB / (ATTENDED * floats * 4)))
    return max(1, fits if images.is_cuda else min(fits, PIXELS // (images.shape[-2] * images.shape[-1])))


def channels_last_on_cpu(images: Tensor) -> Tensor:
    """Convert (N,C,H,W) to channels-last format on a CPU, where convolutions are then up to 1.5 times as fast.

    Returns the tensor itself on a GPU, or if it already has this format.
    """
    return images if images.is_cuda else images.contiguous(memory_format=torch.channels_last)


def prepare(model: "Classifier", flags: EngineFlags) -> "Classifier":
    """Compile the features of ``model`` and convert its weights to channels-last if ``flags`` say so; return it."""
    if flags.channels_last:
        model.to(memory_format=torch.channels_last)
    if flags.compile:
        model.extractor.compile()
    return model
