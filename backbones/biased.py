"""The layers of a convolutional network that add a bias, seen while it runs, and where their positions look."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from backbones.follow import AxisGrid, AxisGrids, Follow


class Added(NamedTuple):
    """What enters a network, or what one of its layers gives, with the graph behind it."""

    output: Tensor
    """(N,C,h,w)."""
    value: Tensor
    """The pixels themselves; of a layer (1,C,1,1) its bias, of batch norm in evaluation shift less scaled mean."""
    grids: AxisGrids | None
    """Where the positions look; None where parallel branches disagree about it."""


class Biased(Follow):
    """Inside the block ``added`` keeps what enters by :meth:`begin`, then each convolution and batch norm with a bias.

    The network goes on with copies, which it may change in place.
    """

    def __init__(self) -> None:
        super().__init__()
        self.added: list[Added] = []

    def begin(self, pixels: Tensor) -> Tensor:
        """(N,channels,H,W) -> the same, where a graph begins."""
        leaf = pixels.detach().clone().requires_grad_()
        return self._kept(leaf, leaf.detach(), (AxisGrid(1.0, 0.0), AxisGrid(1.0, 0.0)))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The answer to one call of the network."""
        out = super().__torch_function__(func, types, args, kwargs)
        bias_of = _BIASES.get(getattr(func, "__name__", ""))
        bias = bias_of(*args, **(kwargs or {})) if bias_of and out.ndim == 4 else None
        return out if bias is None else self._kept(out, bias.detach().reshape(1, -1, 1, 1), self.grids.get(out))

    def answer(self, func: Any, args: Any, kwargs: Any) -> Any:
        """With its numbers."""
        return func(*args, **kwargs)

    def _kept(self, output: Tensor, value: Tensor, grids: AxisGrids | None) -> Tensor:
        self.added.append(Added(output, value, grids))
        copy = output.clone()
        self.grids[copy] = grids
        return copy


def _convolution(x: Tensor, weight: Tensor, bias: Tensor | None = None, *_: Any, **__: Any) -> Tensor | None:
    return bias


def _batch_norm(
    x: Tensor, mean: Tensor | None, variance: Tensor | None, weight: Tensor | None = None, bias: Tensor | None = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor | None:  # fmt: skip
    if mean is None or variance is None:
        return bias
    shift = -mean * torch.rsqrt(variance + eps) * (1 if weight is None else weight)
    return shift if bias is None else shift + bias


_BIASES: dict[str, Callable[..., Tensor | None]] = {"conv2d": _convolution, "batch_norm": _batch_norm}
