"""Follows, call by call through a network, where the positions of each tensor look in the input."""

from collections.abc import Callable, MutableMapping, Set
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary


class Place(NamedTuple):
    """Position i of one axis looks at input pixel ``offset + stride * i``."""

    stride: float
    offset: float

    def window(self, kernel: int, stride: int, before: float, dilation: int) -> "Place":
        """Behind a window of ``kernel`` taps with ``before`` padded pixels in front.

        >>> Place(4.0, 0.0).window(kernel=2, stride=2, before=0, dilation=1)
        Place(stride=8.0, offset=2.0)
        """
        return Place(self.stride * stride, self.offset + ((kernel - 1) * dilation / 2 - before) * self.stride)


Places = tuple[Place, Place]  # (y, x)


class Follow(TorchFunctionMode):
    """Notes, for every tensor on the way, where its positions look; None where branches disagree."""

    def __init__(self) -> None:
        super().__init__()
        self.places: MutableMapping[Tensor, Places | None] = WeakTensorKeyDictionary()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        known = [tensor for tensor in _tensors_in(args) if tensor in self.places]
        inputs, shapes = {self.places[tensor] for tensor in known}, {tensor.shape[-2:] for tensor in known}
        name = getattr(func, "__name__", "")
        out = (
            torch.empty_like(args[0]) if name == "batch_norm" else func(*args, **kwargs)
        )  # its arithmetic moves nothing, and is slow
        step = _STEPS.get(name)
        for tensor in _tensors_in([out]) if inputs else []:
            if step or tensor.shape[-2:] in shapes:
                self.places[tensor] = _through(step(*args, **kwargs), inputs) if step else _agreed(inputs)
        return out


def _agreed(inputs: Set[Places | None]) -> Places | None:
    """What all inputs of an operation say, or None."""
    return next(iter(inputs)) if len(inputs) == 1 else None


def _through(window: "Window", inputs: Set[Places | None]) -> Places | None:
    places = _agreed(inputs)
    if places is None:
        return None
    y, x = (place.window(*steps) for place, *steps in zip(places, *map(_pair, window), strict=True))
    return y, x


class Window(NamedTuple):
    """What a convolution, a pooling or a padding does, for both axes in one number or for each in a pair."""

    kernel: Any
    stride: Any
    before: Any
    dilation: Any


def _convolution(
    x: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Window:
    kernel = tuple(weight.shape[-2:])
    if padding == "same":
        padding = [d * (k - 1) // 2 for k, d in zip(kernel, _pair(dilation), strict=True)]
    return Window(kernel, stride, 0 if padding == "valid" else padding, dilation)


def _maximum(
    x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, *_: Any, **__: Any
) -> Window:
    return Window(kernel_size, stride or kernel_size, padding, dilation)


def _average(x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, *_: Any, **__: Any) -> Window:
    return Window(kernel_size, stride or kernel_size, padding, 1)


def _pad(x: Tensor, pad: list[int], *_: Any, **__: Any) -> Window:
    """torch counts pads from the last axis: (left, right, top, bottom)."""
    return Window(1, 1, (pad[2] if len(pad) > 2 else 0, pad[0]), 1)


_STEPS: dict[str, Callable[..., Window]] = {
    "conv2d": _convolution,
    "max_pool2d": _maximum,
    "avg_pool2d": _average,
    "pad": _pad,
}


def _pair(value: Any) -> tuple[int, int]:
    y, x = (value[0], value[-1]) if isinstance(value, tuple | list) else (value, value)
    return y, x


def _tensors_in(values: Any) -> list[Tensor]:
    """The tensors among values, also those inside lists (``torch.cat``)."""
    found: list[Tensor] = []
    for item in values:
        found += [item] if isinstance(item, Tensor) else _tensors_in(item) if isinstance(item, tuple | list) else []
    return found
