"""Fusion of maps of several layers with different grids."""

from collections.abc import Sequence

import torch
from torch import Tensor

from locus.core.frames import Grid, interpolation
from locus.methods.evidence import Evidence


def finest(grids: Sequence[Grid]) -> int:
    """Return the index of the first grid with the smallest stride."""
    return min(range(len(grids)), key=lambda n: grids[n].stride[0] * grids[n].stride[1])


def divide_by_maximum(maps: Tensor) -> Tensor:
    """Return ReLU(map) / max(map), in [0,1], of maps (N,K,h,w); zeros for a map without positive values."""
    maps = maps.clamp(min=0)
    top = maps.amax((-2, -1), keepdim=True)
    return maps / torch.where(top > 0, top, 1)


def largest(maps: Sequence[Tensor], levels: Sequence[Evidence]) -> Tensor:
    """Return the maximum over several layers' maps, one (N,K,h,w) each, at the positions of the finest layer."""
    target = levels[finest([level.grid for level in levels])]
    h, w = target.A.shape[-2:]
    resampled = [
        moved(map_, level.grid, target.grid, (h, w))
        for map_, level in zip(maps, levels, strict=True)
    ]
    return torch.stack(resampled).amax(0)


def moved(maps: Tensor, grid: Grid, target: Grid, shape: tuple[int, int]) -> Tensor:
    """Resample maps to another grid; constant beyond the outermost cells.

    Args:
        maps: (N,K,h,w).
        grid: their grid.
        target: the other grid.
        shape: rows and columns of the result.
    """
    matrices = interpolation(grid, (maps.shape[-2], maps.shape[-1]), target, shape)
    vertical, horizontal = (torch.from_numpy(matrix).to(maps) for matrix in matrices)
    return vertical @ maps @ horizontal.T
