"""Maps of several feature levels as one, each level on its own true grid."""

from collections.abc import Sequence

import torch
from torch import Tensor

from core.frames import Grid, interpolation
from methods.evidence import Evidence


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
    h, w = target.A.shape[-2:]
    moved_maps = [moved(each, level.grid, target.grid, (h, w)) for each, level in zip(maps, levels, strict=True)]
    return torch.stack(moved_maps).amax(0)


def moved(maps: Tensor, grid: Grid, target: Grid, shape: tuple[int, int]) -> Tensor:
    """Maps on ``grid`` at the positions of ``target``, ``shape`` (h, w) of them; constant outside the outermost."""
    matrices = interpolation(grid, (maps.shape[-2], maps.shape[-1]), target, shape)
    vertical, horizontal = (torch.from_numpy(matrix).to(maps) for matrix in matrices)
    return vertical @ maps @ horizontal.T
