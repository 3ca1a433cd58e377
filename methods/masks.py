"""Masks of Score-CAM: channels of a feature map, scaled to [0,1] and resampled to the image's pixels."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from core.frames import interpolation
from methods.evidence import Evidence

Masks = tuple[Callable[[Tensor], Tensor], Tensor]
"""Function from (m,h,w) channels to (m,H,W) masks, and (N,C) bool that selects the channels to use."""
ROUNDING = 1e-6
"""Channels whose range is below this fraction of their largest value are constant up to float32 rounding."""


def on_the_grid(evidence: Evidence) -> Masks:
    """Draw masks by scaling channels and resampling them with the model's grid; constant channels are skipped."""
    A, pixels = evidence.A, evidence.pixel_grid
    matrices = interpolation(evidence.grid, (A.shape[-2], A.shape[-1]), pixels, pixels.size)
    rows, columns = (torch.from_numpy(matrix).to(A) for matrix in matrices)
    return lambda channels: rows @ _unit(channels) @ columns.T, ~flat(A)


def as_grad_cam(evidence: Evidence) -> Masks:
    """Draw masks as the grad-cam package does: resize with aligned corners, then scale; constant channels are black."""
    A, size = evidence.A, evidence.pixel_grid.size
    all_channels = torch.ones_like(A[..., 0, 0], dtype=torch.bool)

    def draw(channels: Tensor) -> Tensor:
        return _unit(interpolate(channels[None], size, mode="bilinear", align_corners=True)[0], 1e-8)

    return draw, all_channels


MASKS = {"grid": on_the_grid, "grad-cam": as_grad_cam}
"""Ways to draw the masks."""


def flat(A: Tensor) -> Tensor:
    """Return (N,C) bool, True where a channel of (N,C,h,w) is constant up to rounding. False if it contains nan."""
    low, high = A.amin((-2, -1)), A.amax((-2, -1))
    return high - low <= ROUNDING * torch.maximum(high.abs(), low.abs())


def _unit(maps: Tensor, epsilon: float = 0) -> Tensor:
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    return (maps - low) / (high - low + epsilon)
