"""Channels of a feature map as masks over the image's pixels, in [0,1]: what Score-CAM looks through."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from core.frames import interpolation
from methods.evidence import Evidence

Masks = tuple[Callable[[Tensor], Tensor], Tensor]
"""(m,h,w) channels -> (m,H,W) masks; and (N,C) bool, which channels are looked through."""
ROUNDING = 1e-6
"""A range below this share of a channel's largest value is what float32 rounds, not structure."""


def on_the_grid(evidence: Evidence) -> Masks:
    """Scaled at the positions, then brought to the pixels where they look; flat channels make no mask."""
    A, pixels = evidence.A, evidence.pixel_grid
    matrices = interpolation(evidence.grid, (A.shape[-2], A.shape[-1]), pixels, pixels.size)
    rows, columns = (torch.from_numpy(matrix).to(A) for matrix in matrices)
    return lambda channels: rows @ _unit(channels) @ columns.T, ~flat(A)


def as_grad_cam(evidence: Evidence) -> Masks:
    """As the grad-cam package: corners put on corners, then scaled at the pixels; a flat channel makes a black mask."""
    A, size = evidence.A, evidence.pixel_grid.size
    all_channels = torch.ones_like(A[..., 0, 0], dtype=torch.bool)

    def draw(channels: Tensor) -> Tensor:
        return _unit(interpolate(channels[None], size, mode="bilinear", align_corners=True)[0], 1e-8)

    return draw, all_channels


MASKS = {"grid": on_the_grid, "grad-cam": as_grad_cam}
"""The ways to draw them."""


def flat(A: Tensor) -> Tensor:
    """(N,C,h,w) -> (N,C) whether a channel is constant, up to rounding. False where it holds a nan."""
    low, high = A.amin((-2, -1)), A.amax((-2, -1))
    return high - low <= ROUNDING * torch.maximum(high.abs(), low.abs())


def _unit(maps: Tensor, epsilon: float = 0) -> Tensor:
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    return (maps - low) / (high - low + epsilon)
