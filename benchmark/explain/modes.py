"""Torch modes: methods run without gradients and autocast, forward passes with the caller's autocast."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor


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
