"""Torch modes: methods run without gradients and autocast, forward passes with the caller's autocast."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Autocast:
    """The caller's autocast settings for forward passes."""

    device: str
    enabled: bool
    dtype: torch.dtype

    @classmethod
    def now(cls, images: Tensor) -> "Autocast":
        """Return the current settings on the device of ``images``."""
        device = images.device.type
        return cls(device, torch.is_autocast_enabled(device), torch.get_autocast_dtype(device))

    def __call__(self) -> torch.autocast:
        """Return a context manager that applies the settings."""
        return torch.autocast(self.device, dtype=self.dtype, enabled=self.enabled)
