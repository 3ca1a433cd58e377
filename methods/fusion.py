"""Maps of several feature levels as one, each level on its own true grid."""

from collections.abc import Sequence

import torch
from torch import Tensor

from core.frames import Grid, interpolation
from methods.base import Evidence


def finest(grids: Sequence[Grid]) -> int:
    """Which grid has its positions closest together; of equals the first."""
    return min(range(len(grids)), key=lambda n: grids[n].stride[0] * grids[n].stride[1])


def share(maps: Tensor) -> Tensor:
    """(N,K,h,w) -> ReLU(map) / max(map), in [0,1]; a map without a positive value gives zeros."""
    maps = maps.clamp(min=0)
    top = maps.amax((-2, -1), keepdim=True)
    return maps / torch.where(top > 0, top, 1)


def largest(maps: Sequence[Tensor], levels: Sequence[Evidence]) -> Tensor:
    """One (N,K,h,w) map per level -> their largest value at each position of the finest level."""
    target = levels[finest([level.grid for level in levels])]
    return torch.stack([_moved(each, level, target) for each, level in zip(maps, levels, strict=True)]).amax(0)


def _moved(maps: Tensor, level: Evidence, target: Evidence) -> Tensor:
    """Maps of ``level`` at the positions of ``target``: bilinear, constant outside the outermost positions."""
    (h, w), (rows, columns) = level.A.shape[-2:], target.A.shape[-2:]
    matrices = interpolation(level.grid, (h, w), target.grid, (rows, columns))
    vertical, horizontal = (torch.from_numpy(matrix).to(maps) for matrix in matrices)
    return vertical @ maps @ horizontal.T
