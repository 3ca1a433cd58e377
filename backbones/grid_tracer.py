"""Trace the grids of tensors in the input image through the function calls of a network."""

from collections.abc import Callable, MutableMapping, Set
from typing import Any, NamedTuple

from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary


class AxisGrid(NamedTuple):
    """Grid of one axis: position i is centred on input pixel ``offset + stride * i``."""

    stride: float
    offset: float

    def window(self, kernel: int, stride: int, before: float, dilation: int) -> "AxisGrid":
        """Return the grid after a sliding window of ``kernel`` taps with ``before`` padded pixels at the start.

        >>> AxisGrid(4.0, 0.0).window(kernel=2, stride=2, before=0, dilation=1)
        AxisGrid(stride=8.0, offset=2.0)
        """
        return AxisGrid(self.stride * stride, self.offset + ((kernel - 1) * dilation / 2 - before) * self.stride)


AxisGrids = tuple[AxisGrid, AxisGrid]  # (y, x)


class GridTracer(TorchFunctionMode):
    """Torch function mode that records the grid of every tensor; None if branches disagree."""

    def __init__(self) -> None:
        super().__init__()
        self.grids: MutableMapping[Tensor, AxisGrids | None] = WeakTensorKeyDictionary()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        traced = [tensor for tensor in _tensors_in(args) if tensor in self.grids]
        inputs, shapes = {self.grids[tensor] for tensor in traced}, {tensor.shape[-2:] for tensor in traced}
        name = getattr(func, "__name__", "")
        step, out = _STEPS.get(name), self.answer(func, args, kwargs)
        for tensor in _tensors_in([out]) if inputs else []:
            if step or tensor.shape[-2:] in shapes:
                self.grids[tensor] = _through(step(*args, **kwargs), inputs) if step else _agreed(inputs)
        return out

    def answer(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Return the result of a call; for some operations only an empty tensor of the right shape."""
        shape = _SHAPES.get(getattr(func, "__name__", ""))
        return args[0].new_empty(shape(*args, **kwargs)) if shape else func(*args, **kwargs)


def _agreed(inputs: Set[AxisGrids | None]) -> AxisGrids | None:
    """Return the grid of all inputs of an operation, or None if they differ."""
    return next(iter(inputs)) if len(inputs) == 1 else None


def _through(window: "SlidingWindow", inputs: Set[AxisGrids | None]) -> AxisGrids | None:
    grids = _agreed(inputs)
    if grids is None:
        return None
    y, x = (axis.window(*steps) for axis, *steps in zip(grids, *map(_pair, window), strict=True))
    return y, x


class SlidingWindow(NamedTuple):
    """Parameters of a convolution, pooling or padding: one number for both axes, or a pair."""

    kernel: Any
    stride: Any
    before: Any
    dilation: Any


def _convolution(
    x: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> SlidingWindow:
    kernel = tuple(weight.shape[-2:])
    if padding == "same":
        padding = [d * (k - 1) // 2 for k, d in zip(kernel, _pair(dilation), strict=True)]
    return SlidingWindow(kernel, stride, 0 if padding == "valid" else padding, dilation)


def _convolved(
    x: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> tuple[int, ...]:
    """Return the output shape of a convolution."""
    window = _convolution(x, weight, bias, stride, padding, dilation)
    sides = [
        side if padding == "same" else (side + 2 * before - dilation * (kernel - 1) - 1) // step + 1
        for side, kernel, step, before, dilation in zip(x.shape[-2:], *map(_pair, window), strict=True)
    ]
    return (*x.shape[:-3], weight.shape[0], *sides)


def _maximum(
    x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, *_: Any, **__: Any
) -> SlidingWindow:
    return SlidingWindow(kernel_size, stride or kernel_size, padding, dilation)


def _average(x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, *_: Any, **__: Any) -> SlidingWindow:
    return SlidingWindow(kernel_size, stride or kernel_size, padding, 1)


def _pad(x: Tensor, pad: list[int], *_: Any, **__: Any) -> SlidingWindow:
    """Return the window of a padding; torch lists pads from the last axis: (left, right, top, bottom)."""
    return SlidingWindow(1, 1, (pad[2] if len(pad) > 2 else 0, pad[0]), 1)


_STEPS: dict[str, Callable[..., SlidingWindow]] = {
    "conv2d": _convolution,
    "max_pool2d": _maximum,
    "avg_pool2d": _average,
    "pad": _pad,
}

_SHAPES: dict[str, Callable[..., tuple[int, ...]]] = {
    "conv2d": _convolved,
    **dict.fromkeys(("batch_norm", "relu"), lambda x, *_, **__: tuple(x.shape)),
}
"""Functions for the output shapes of operations for which torch would import its compiler on the meta device."""


def _pair(value: Any) -> tuple[int, int]:
    y, x = (value[0], value[-1]) if isinstance(value, tuple | list) else (value, value)
    return y, x


def _tensors_in(values: Any) -> list[Tensor]:
    """Return the tensors among values, including those inside lists (``torch.cat``)."""
    tensors: list[Tensor] = []
    for item in values:
        tensors += [item] if isinstance(item, Tensor) else _tensors_in(item) if isinstance(item, tuple | list) else []
    return tensors
