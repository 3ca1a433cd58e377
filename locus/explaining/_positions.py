"""Positions in the image of all values of a network, also of tokens, windows and merged patches.

A tensor's *places* are a complex tensor of its shape: y + i x, the centre of each value in pixels of the input, nan for
a value without a position (class and register tokens). They move with the values: a reshape, a roll or a window of the
values is the same of the places. Maps (N,C,h,w) of convolutions have a grid by arithmetic instead (``GridTracer``).

``PlaceTracer``  torch function mode that records both
``Layout``       order in which the values of a tensor are a map
"""

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.weak import WeakTensorKeyDictionary

from locus.backbones.grids import AxisGrid, AxisGrids, GridTracer, tensors_in
from locus.core.errors import NotAvailableError
from locus.core.frames import Grid

MOVES = {
    "view", "reshape", "flatten", "unflatten", "permute", "transpose", "swapaxes", "movedim", "squeeze", "unsqueeze",
    "expand", "roll", "flip", "getitem", "select", "narrow", "unbind", "chunk", "split", "tensor_split", "t", "get",
    "index_select", "gather", "repeat", "view_as", "reshape_as", "expand_as",
}  # fmt: skip
"""Functions that move values and compute none; names without underscores (``get``: properties such as ``.mT``)."""
SLIDES = {"conv2d", "max_pool2d", "avg_pool2d"}
"""Functions with a window, whose output has a grid by arithmetic."""
JOINS = {"cat", "concat", "concatenate", "stack"}
"""Functions that join tensors."""
KEEPS = {
    "add", "radd", "iadd", "sub", "rsub", "isub", "mul", "rmul", "imul", "div", "truediv", "true_divide", "itruediv",
    "neg", "pow", "square", "sqrt", "rsqrt", "exp", "abs", "clamp", "clip", "maximum", "minimum", "where", "addcmul",
    "lerp", "layer_norm", "group_norm", "instance_norm", "batch_norm", "rms_norm", "normalize", "local_response_norm",
    "dropout", "dropout1d", "dropout2d", "feature_dropout", "relu", "relu6", "leaky_relu", "prelu", "elu", "selu",
    "celu", "gelu", "silu", "mish", "hardswish", "hardtanh", "hardsigmoid", "softplus", "sigmoid", "tanh", "threshold",
    "softmax", "contiguous", "clone", "to", "float", "type", "type_as", "detach", "matmul", "bmm", "rmatmul",
    "scaled_dot_product_attention", "nan_to_num", "masked_fill",
}  # fmt: skip
"""Functions whose values keep the positions of the first input of the same shape."""


class PlaceTracer(GridTracer):
    """Torch function mode that records the places of all tensors and the grids of maps."""

    shapes_only = False

    def __init__(self) -> None:
        super().__init__()
        self.places: MutableMapping[Tensor, Tensor] = WeakTensorKeyDictionary()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Intercept one call of the network."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "").strip("_")
        first: Any = args[0] if args else None
        if name in JOINS and any(tensor in self.places for tensor in tensors_in([first])):
            out = func(*args, **kwargs)
            self._place(
                out, func([self._or_nowhere(tensor) for tensor in first], *args[1:], **kwargs)
            )
            return out
        if name in MOVES and isinstance(first, Tensor):
            return self._move(func, first, *args[1:], **kwargs)
        if name == "pad" and isinstance(first, Tensor) and first in self.places:
            pads = args[1] if len(args) > 1 else kwargs["pad"]
            out = func(*args, **kwargs)
            self._place(out, functional.pad(self.places[first], pads, value=torch.nan))
            return out
        traced = [
            tensor for tensor in tensors_in([*args, *kwargs.values()]) if tensor in self.places
        ]
        if traced and name in SLIDES:
            self._set_grid(traced[0])
        out = super().__torch_function__(func, types, args, kwargs)
        if isinstance(out, Tensor) and traced and out not in self.places:
            with torch._C.DisableTorchFunction():
                self._inherit(name, out, traced)
        return out

    def _move(self, func: Any, values: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Call a function that moves values, and move the places too."""
        out = func(values, *args, **kwargs)
        if not tensors_in([out]):
            return out
        with torch._C.DisableTorchFunction():
            places = self.places_of(values)
            if places is not None:
                move = (
                    torch.Tensor.reshape if func is torch.Tensor.view else func
                )  # places may not be contiguous
                self._place(out, move(places, *args, **kwargs))
        return out

    def places_of(self, tensor: Tensor) -> Tensor | None:
        """Return the places of a tensor, of a map by its grid; None if they are unknown."""
        if tensor in self.places:
            return self.places[tensor]
        axes = self.grids.get(tensor)
        if axes is None or tensor.ndim != 4:
            return None
        y, x = (
            axis.offset
            + axis.stride * torch.arange(side, dtype=torch.float32, device=tensor.device)
            for axis, side in zip(axes, tensor.shape[-2:], strict=True)
        )
        return torch.complex(*torch.meshgrid(y, x, indexing="ij")).expand(tensor.shape)

    def _place(self, out: Any, places: Any) -> None:
        """Record the places of a result, which replace the grids of its tensors."""
        for tensor, positions in zip(tensors_in([out]), tensors_in([places]), strict=True):
            self.places[tensor] = positions
            self.grids.pop(tensor, None)

    def _or_nowhere(self, tensor: Tensor) -> Tensor:
        places = self.places_of(tensor)
        nowhere = torch.full((), torch.nan, dtype=torch.complex64, device=tensor.device)
        return nowhere.expand(tensor.shape) if places is None else places

    def _set_grid(self, tensor: Tensor) -> None:
        """Give a tensor whose places are a regular map (N,C,h,w) the grid for arithmetic."""
        if tensor.ndim != 4 or tensor in self.grids:
            return
        axes = _axes(self.places[tensor])
        if axes is not None:
            self.grids[tensor] = axes

    def _inherit(self, name: str, out: Tensor, traced: list[Tensor]) -> None:
        """Record the places of the output of a function that computes values."""
        if name == "linear":
            places = self.places[traced[0]]
            if _is_constant(places):
                self.places[out] = places[..., :1].expand(out.shape)
                return
            centres = places.mean(-1, keepdim=True)
            if not _is_one_place(centres):  # a mean over all has no position
                self.places[out] = centres.expand(out.shape)
            return
        same_shape = [tensor for tensor in traced if tensor.shape == out.shape]
        if name in KEEPS and same_shape:
            self.places[out] = self.places[same_shape[0]]


def _is_constant(places: Tensor) -> bool:
    """Return True if the places are the same along the last dimension."""
    if places.shape[-1] == 1 or places.stride(-1) == 0:
        return True
    is_equal = places == places[..., :1]
    return bool((is_equal | places.isnan()).all()) and bool(
        torch.equal(places[..., 0].isnan(), places[..., -1].isnan())
    )


def _is_one_place(places: Tensor) -> bool:
    placed = places[~places.isnan()]
    return bool((placed == placed[:1]).all())


def _axes(places: Tensor) -> AxisGrids | None:
    """Return the grid of places (N,C,h,w); None if they are no regular map."""
    map_ = places[0, 0]
    if map_.isnan().any() or not torch.equal(places, map_.expand(places.shape)):
        return None
    y, x = map_[:, 0].real, map_[0].imag
    if not torch.equal(map_, torch.complex(*torch.meshgrid(y, x, indexing="ij"))):
        return None
    return _axis(y, x), _axis(x, y)


def _axis(values: Tensor, other: Tensor) -> AxisGrid:
    """Return the grid of one axis; the stride of a single position is that of the ``other`` axis."""
    steps = (values if len(values) > 1 else other).diff()
    stride = float(steps[0]) if len(steps) else 1.0
    return AxisGrid(stride, float(values[0]))


@dataclass(frozen=True)
class Layout:
    """Order in which the values of a tensor are a map."""

    index: Tensor
    """Indices of the values with a position, h * w * m of them, position by position."""
    shape: tuple[int, int]
    """(h, w)."""
    channels: int
    """Number of values per index: the length of the last dimension if it has one place, else 1."""
    grid: Grid
    first: int | None
    """First index, if the indices are consecutive, as those of patches after a class token; else None."""

    def as_map(self, values: Tensor) -> Tensor:
        """Return the values of one image as a map (1,C,h,w)."""
        rows = values.reshape(-1, self.channels)
        chosen = (
            rows[self.index]
            if self.first is None
            else rows[self.first : self.first + len(self.index)]
        )
        return (
            chosen.reshape(self.shape[0] * self.shape[1], -1)
            .T.unflatten(1, self.shape)
            .unsqueeze(0)
        )

    @classmethod
    def of(cls, places: Tensor, size: tuple[int, int]) -> Self | None:
        """Return the layout of places in an image of ``size`` (H, W); None for fewer than two positions.

        Raises ``NotAvailableError`` if the positions are not those of a regular grid.
        """
        channels = places.shape[-1] if _is_constant(places) else 1
        flat = (places[..., 0] if channels > 1 else places).reshape(-1)
        placed = (~flat.isnan()).nonzero().flatten()
        if len(placed) < 2:
            return None
        ys, row = flat[placed].real.unique(return_inverse=True)
        xs, column = flat[placed].imag.unique(return_inverse=True)
        h = len(ys)
        w = len(xs)
        if h * w == 1:
            return None
        cell = row * w + column
        counts = cell.bincount(minlength=h * w)
        regular = all(axis.diff().diff().abs().max() < 1e-3 for axis in (ys, xs) if len(axis) > 2)
        if not regular or len(counts.unique()) > 1:
            raise NotAvailableError(
                f"the {len(placed)} tokens of a layer of this network are not those of a regular grid of patches, so "
                "its bias has no position"
            )
        y = _axis(ys, xs)
        x = _axis(xs, ys)
        grid = Grid(size, (y.stride, x.stride), (y.offset, x.offset))
        index = placed[cell.argsort(stable=True)]
        is_consecutive = bool((index.diff() == 1).all())
        return cls(index, (h, w), channels, grid, int(index[0]) if is_consecutive else None)
