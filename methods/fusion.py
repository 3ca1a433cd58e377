"""Maps of several feature levels as one, each level on its own true grid."""

from collections.abc import Sequence

import torch
from torch import Tensor

from core.frames import interpolation
from methods.base import Evidence


def finest(levels: Sequence[Evidence]) -> Evidence:
    """The level with the most positions; of equals the first."""
    return max(levels, key=lambda level: level.A.shape[-2] * level.A.shape[-1])


def share(maps: Tensor) -> Tensor:
    """(N,K,h,w) -> ReLU(map) / max(map), in [0,1]; a map without a positive value gives zeros."""
    maps = maps.clamp(min=0)
    top = maps.amax((-2, -1), keepdim=True)
    return maps / torch.where(top > 0, top, 1)


def largest(maps: Sequence[Tensor], levels: Sequence[Evidence]) -> Tensor:
    """One (N,K,h,w) map per level -> their largest value at each position of the finest level."""
    target = finest(levels)
    return torch.stack([_moved(each, level, target) for each, level in zip(maps, levels, strict=True)]).amax(0)


def _moved(maps: Tensor, level: Evidence, target: Evidence) -> Tensor:
    """Maps of ``level`` at the positions of ``target``: bilinear, constant outside the outermost positions."""
    (h, w), (rows, columns) = level.A.shape[-2:], target.A.shape[-2:]
    vertical, horizontal = (torch.from_numpy(matrix).to(maps) for matrix in interpolation(level.grid, (h, w), target.grid, (rows, columns)))
    return vertical @ maps @ horizontal.T
