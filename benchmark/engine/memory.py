"""Batch sizes and memory layout of the engine: from a fixed budget, never from what happens to be free."""

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
"""How much more a pass keeps that gradients will go back through."""
TEMPORARIES = 6
"""How many tensors of the size of G a method may hold beside it."""
CACHE = 8 * 2**20
"""Bytes of G per part on a CPU: sums over what lies in the cache are several times faster."""
ATTENDED = 3
"""How many tensors of the size of all attention matrices such a pass may hold."""
SWEEP = 8 * 224 * 224
"""Input pixels per forward pass of a sweep on a CPU, eight images of 224 px: more are no faster and want memory."""


def images_at_once(images: Tensor, memory_gib: float) -> int:
    """How many images of the size of ``images`` (N,3,H,W) a forward pass may take.

    At least 1, however little memory there is.

    >>> images_at_once(torch.empty(1, 3, 224, 224), 2.0) > images_at_once(torch.empty(1, 3, 448, 448), 2.0)
    True
    """
    each = images.shape[-2] * images.shape[-1] * FLOATS_PER_PIXEL * 4
    return max(1, int(memory_gib * GIB / each))


def recorded_at_once(images: Tensor, memory_gib: float) -> int:
    """How many images a pass may take through which gradients will go back.

    Fewer by ``BACKWARD``: what each layer gave is kept.
    """
    return max(1, images_at_once(images, memory_gib) // BACKWARD)


def maps_at_once(A: Tensor, memory_gib: float) -> int:
    """How many maps of the size of ``A`` (N,C,h,w) the head may take."""
    return max(1, int(memory_gib * GIB / TEMPORARIES / (A[0].numel() * 4)))


def sweep_at_once(images: Tensor, memory_gib: float) -> int:
    """How many images one step of a sweep takes.

    On a CPU fewer than fit: a batch that leaves the processor's cache is slower per image.
    """
    fits = images_at_once(images, memory_gib)
    return fits if images.is_cuda else max(1, min(fits, SWEEP // (images.shape[-2] * images.shape[-1])))


def gradients_at_once(A: Tensor, memory_gib: float) -> int:
    """How many (image, finding) pairs may have their G, (C,h,w) each, in memory at once; at least one."""
    fits = maps_at_once(A, memory_gib)
    return fits if A.is_cuda else max(1, min(fits, CACHE // (A[0].numel() * 4)))


def attended_at_once(images: Tensor, floats: int, memory_gib: float) -> int:
    """How many images a pass may take that keeps its attention, so many ``floats`` for each, for a backward pass."""
    fits = min(recorded_at_once(images, memory_gib), int(memory_gib * GIB / (ATTENDED * floats * 4)))
    return max(1, fits if images.is_cuda else min(fits, SWEEP // (images.shape[-2] * images.shape[-1])))


def channels_last_on_cpu(images: Tensor) -> Tensor:
    """(N,C,H,W) values laid out channels last on a CPU, where convolutions are up to half as fast again.

    The tensor itself where its values lie so already, and on a GPU.
    """
    return images if images.is_cuda else images.contiguous(memory_format=torch.channels_last)


def prepare(model: "Classifier", flags: EngineFlags) -> "Classifier":
    """``model`` itself, its features compiled and its weights laid out by channels where ``flags`` say so."""
    if flags.channels_last:
        model.to(memory_format=torch.channels_last)
    if flags.compile:
        model.extractor.compile()
    return model
