"""Batch sizes, memory format and torch modes for explaining.

Batch sizes depend on a fixed budget, not on the free memory, so maps do not depend on the state of the machine. Methods
run without gradients and autocast (``no_grad_no_autocast``), forward passes with the caller's autocast
(``current_autocast``). Memory that runs out in training is handled by ``locus.benchmark.training.hardware``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from locus.backbones import Classifier
from locus.config import EngineFlags

GIB = 2**30
FLOATS_PER_PIXEL = 128
"""Activations in memory during a forward pass, per input pixel: an upper bound for common networks."""
BACKWARD_MEMORY_FACTOR = 5
"""Memory of a pass with gradients, relative to a pass without."""
GRADIENT_COPIES = 6
"""Assumed number of temporary tensors of the size of G in a method."""
CACHE_BYTES = 8 * 2**20
"""Bytes of G per part on a CPU, so that they fit into the cache and sums are several times faster."""
ATTENTION_COPIES = 3
"""Assumed number of tensors of the size of all attention matrices in a pass that records them."""
MAX_FORWARD_PIXELS = 8 * 224 * 224
"""Input pixels per forward pass on a CPU, eight images of 224 px: more are not faster and need memory."""


def images_that_fit(images: Tensor, memory_gib: float) -> int:
    """Return how many images of the size of ``images`` (N,3,H,W) fit a forward pass, at least 1.

    >>> images_that_fit(torch.empty(1, 3, 224, 224), 2.0) > images_that_fit(torch.empty(1, 3, 448, 448), 2.0)
    True
    """
    bytes_per_image = images.shape[-2] * images.shape[-1] * FLOATS_PER_PIXEL * 4
    return max(1, int(memory_gib * GIB / bytes_per_image))


def backward_batch_size(images: Tensor, memory_gib: float) -> int:
    """Return how many images fit a pass with gradients, which stores the outputs of all layers."""
    return max(1, images_that_fit(images, memory_gib) // BACKWARD_MEMORY_FACTOR)


def head_batch_size(A: Tensor, memory_gib: float) -> int:
    """Return how many maps of the size of ``A`` (N,C,h,w) fit one call of the head."""
    return max(1, int(memory_gib * GIB / GRADIENT_COPIES / (A[0].numel() * 4)))


def forward_batch_size(images: Tensor, memory_gib: float) -> int:
    """Return the number of images per forward pass.

    On a CPU they are fewer than fit in memory: a batch larger than the processor's cache is slower per image.
    """
    fits = images_that_fit(images, memory_gib)
    return fits if images.is_cuda else max(1, min(fits, MAX_FORWARD_PIXELS // (images.shape[-2] * images.shape[-1])))


def gradient_pairs_that_fit(A: Tensor, memory_gib: float) -> int:
    """Return the number of (image, finding) pairs whose gradients G, (C,h,w) each, fit in memory; at least 1."""
    fits = head_batch_size(A, memory_gib)
    return fits if A.is_cuda else max(1, min(fits, CACHE_BYTES // (A[0].numel() * 4)))


def attention_batch_size(images: Tensor, floats: int, memory_gib: float) -> int:
    """Return how many images fit a pass with gradients that stores ``floats`` attention values per image."""
    fits = min(backward_batch_size(images, memory_gib), int(memory_gib * GIB / (ATTENTION_COPIES * floats * 4)))
    return max(1, fits if images.is_cuda else min(fits, MAX_FORWARD_PIXELS // (images.shape[-2] * images.shape[-1])))


def channels_last_if_on_cpu(images: Tensor) -> Tensor:
    """Convert (N,C,H,W) to channels-last format on a CPU, where convolutions are then up to 1.5 times as fast.

    Returns the tensor itself on a GPU, or if it already has this format.
    """
    return images if images.is_cuda else images.contiguous(memory_format=torch.channels_last)


def apply_engine_flags(model: Classifier, flags: EngineFlags) -> Classifier:
    """Return ``model``, with features compiled and weights in channels-last format according to ``flags``."""
    if flags.channels_last:
        model.to(memory_format=torch.channels_last)
    if flags.compile:
        model.extractor.compile()
    return model


@contextmanager
def no_grad_no_autocast() -> Iterator[None]:
    """Disable inference mode, gradients and autocast within the block; restore the caller's settings afterwards.

    >>> with torch.inference_mode(), no_grad_no_autocast():
    ...     torch.is_inference_mode_enabled(), torch.is_grad_enabled()
    (False, False)
    """
    with (
        torch.inference_mode(mode=False),
        torch.no_grad(),
        torch.autocast("cpu", enabled=False),
        torch.autocast("cuda", enabled=False),
    ):
        yield


Autocast = Callable[[], torch.autocast]
"""Function that returns a context manager with the autocast settings for forward passes."""


def current_autocast(images: Tensor) -> Autocast:
    """Return the caller's settings on the device of ``images``."""
    device = images.device.type
    return partial(torch.autocast, device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device))
