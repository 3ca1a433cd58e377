"""Grids of feature maps: computed from the layers, or those of a transformer's patches.

``TokensOf``    tokens of a transformer as a map (timm's ViT, DeiT, EVA, Swin), with the grid of the patches
``arithmetic``  computed from the strides, kernels and paddings of the layers (``GridTracer``)

Other grids are measured by ``locus.backbones.probe_grid``. The class ``Grid`` itself is in ``locus.core.frames``.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, MutableMapping, Set
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from locus.core.errors import BadValueError
from locus.core.frames import Grid


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

    shapes_only = True

    def __init__(self) -> None:
        super().__init__()
        self.grids: MutableMapping[Tensor, AxisGrids | None] = WeakTensorKeyDictionary()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        traced = [tensor for tensor in tensors_in(args) if tensor in self.grids]
        inputs, shapes = {self.grids[tensor] for tensor in traced}, {tensor.shape[-2:] for tensor in traced}
        name = getattr(func, "__name__", "")
        step, out = _STEPS.get(name), self.answer(func, args, kwargs)
        for tensor in tensors_in([out]) if inputs else []:
            if step or tensor.shape[-2:] in shapes:
                self.grids[tensor] = _through(step(*args, **kwargs), inputs) if step else _agreed(inputs)
        return out

    def start(self, images: Tensor) -> None:
        """Record the grid of the input images."""
        self.grids[images] = (AxisGrid(1.0, 0.0), AxisGrid(1.0, 0.0))

    def grid_of(self, A: Tensor, size: tuple[int, int]) -> Grid | None:
        """Return the grid of a map for inputs of ``size`` (H, W); None if it is unknown."""
        axes = self.grids.get(A)
        if axes is None:
            return None
        y, x = axes
        return Grid(size, (y.stride, x.stride), (y.offset, x.offset))

    def answer(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Return the result of a call, or with ``shapes_only`` for some an empty tensor of the right shape."""
        shape = _SHAPES.get(getattr(func, "__name__", "")) if self.shapes_only else None
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


def _average_window(
    x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, *_: Any, **__: Any
) -> SlidingWindow:
    return SlidingWindow(kernel_size, stride or kernel_size, padding, 1)


def _pad(x: Tensor, pad: list[int], *_: Any, **__: Any) -> SlidingWindow:
    """Return the window of a padding; torch lists pads from the last axis: (left, right, top, bottom)."""
    return SlidingWindow(1, 1, (pad[2] if len(pad) > 2 else 0, pad[0]), 1)


_STEPS: dict[str, Callable[..., SlidingWindow]] = {
    "conv2d": _convolution,
    "max_pool2d": _maximum,
    "avg_pool2d": _average_window,
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


def tensors_in(values: Any) -> list[Tensor]:
    """Return the tensors among values, including those inside lists (``torch.cat``)."""
    tensors: list[Tensor] = []
    for item in values:
        tensors += [item] if isinstance(item, Tensor) else tensors_in(item) if isinstance(item, tuple | list) else []
    return tensors


@contextlib.contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put ``module`` in evaluation mode within the block, and restore the mode of each submodule afterwards."""
    trained = [part for part in module.modules() if part.training]
    if not trained:
        yield
        return
    try:
        module.eval()
        yield
    finally:
        for part in trained:
            part.training = True


OPTIONS: dict[str, dict[str, Any]] = {
    "vision_transformer": {"dynamic_img_size": True}, "deit": {"dynamic_img_size": True},
    "eva": {"dynamic_img_size": True},
    "swin_transformer": {"strict_img_size": False}, "swin_transformer_v2": {"strict_img_size": False},
}  # fmt: skip
"""timm's module -> options that allow other image sizes than the native one."""

MAX_PREFIX_TOKENS = 16
"""Maximum number of class and register tokens in front of the patches."""


def options(name: str) -> dict[str, Any]:
    """Return timm's options for a supported transformer ``name``; empty for all other networks."""
    import timm  # slow import, only needed for its networks

    return next((given for module, given in OPTIONS.items() if timm.models.is_model_in_modules(name, [module])), {})


class TokensOf(nn.Module):
    """timm transformer without its head: images -> tokens after the final norm, as a map.

    A token may depend on the whole image, so gradients cannot locate it. By convention, its position is that of its
    patch.

    Class, distillation and register tokens are left out. The position embedding of a ViT is resized to the image
    (timm's ``dynamic_img_size``); Swin's windows keep their size, with padding at the lower right edge.
    """

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net
        self.native: tuple[int, int] = net.pretrained_cfg["input_size"][-2:]
        """Native input size (H, W)."""
        self.patch: int = net.patch_embed.patch_size[0]
        self.prefix: int = getattr(net, "num_prefix_tokens", 0)
        self.stages = len(getattr(net, "layers", [None]))

    @staticmethod
    def serves(net: Any) -> bool:
        """Return True if the tokens of ``net`` are patches of the image, without a convolutional stem."""
        kind = type(getattr(net, "patch_embed", None))
        return (kind.__module__, kind.__name__) == ("timm.layers.patch_embed", "PatchEmbed")

    def forward(self, images: Tensor) -> Tensor:
        """Return the token map (N,C,h,w) of images (N,3,H,W). Raises ``BadValueError`` if patches do not fill them."""
        size = (images.shape[-2], images.shape[-1])
        self.strides(size)
        A = self.as_map(self.tokens(images), size)
        if A is None:
            raise BadValueError(
                f"the tokens of {size[0]}x{size[1]} images do not form a grid: use the network's native size"
            )
        return A

    def tokens(self, images: Tensor) -> Any:
        """Return the tokens (N,T,C) or (N,h,w,C) of images (N,3,H,W)."""
        tokens = self.net.forward_features(images)
        # the final norm, which timm applies after mean pooling
        return self.net.fc_norm(tokens) if hasattr(self.net, "fc_norm") else tokens

    def grid(self, size: tuple[int, int], shape: tuple[int, int] | None = None) -> Grid:
        """Return the grid of A, or of a level's map of ``shape`` (h, w): token i is at the centre of its patch.

        >>> import timm
        >>> net = timm.create_model("vit_tiny_patch16_224", num_classes=0, depth=1)
        >>> TokensOf(net).grid((224, 224))
        Grid(size=(224, 224), stride=(16, 16), offset=(7.5, 7.5))
        """
        strides = self.strides(size)
        stride = max(strides.values()) if shape is None else strides[shape]
        return Grid(size, (stride, stride), ((stride - 1) / 2, (stride - 1) / 2))

    def strides(self, size: tuple[int, int]) -> dict[tuple[int, int], int]:
        """Return (h, w) of the tokens of each stage -> stride in pixels, for images of ``size`` (H, W).

        Each merging step halves the sides, rounding up. Raises ``BadValueError`` for a size that is not a multiple of
        the patch size.
        """
        if min(size) < self.patch or any(side % self.patch for side in size):
            near = [max(side // self.patch, 1) * self.patch for side in size]
            raise BadValueError(
                f"images of {size[0]}x{size[1]} pixels do not fit patches of {self.patch}x{self.patch}: "
                f"give a multiple of {self.patch}, such as {near[0]}x{near[1]}"
            )
        h, w, strides = size[0] // self.patch, size[1] // self.patch, {}
        for stage in range(self.stages):
            strides[h, w] = self.patch * 2**stage
            h, w = (h + 1) // 2, (w + 1) // 2
        return strides

    def as_map(self, tokens: Any, size: tuple[int, int]) -> Tensor | None:
        """Return (N, prefix + h*w, C) or (N,h,w,C) as (N,C,h,w); None if not tokens of images of ``size`` (H, W).

        An output that is already a map (N,C,h,w) is unchanged.
        """
        if not isinstance(tokens, Tensor):
            return None
        strides = self.strides(size)
        if tokens.ndim == 4 and tuple(tokens.shape[2:]) in strides:
            return tokens
        for h, w in strides:
            if tokens.ndim == 3 and tokens.shape[1] == self.prefix + h * w:
                tokens = tokens[:, self.prefix :].reshape(len(tokens), h, w, -1)
            if tokens.ndim == 4 and tokens.shape[1:3] == (h, w):
                return tokens.permute(0, 3, 1, 2).contiguous()
        return None

    def as_tokens(self, A: Tensor, tokens: Tensor) -> Tensor:
        """Return maps (M,C,h,w) in the form of ``tokens``, with their class, distillation and register tokens."""
        if tokens.shape[1:] == A.shape[1:]:
            return A
        patches = A.permute(0, 2, 3, 1)  # (M, h, w, C)
        if tokens.ndim == 4:
            return patches.contiguous()
        return torch.cat([tokens[:, : self.prefix].to(A.dtype).expand(len(A), -1, -1), patches.flatten(1, 2)], 1)


def arithmetic(extractor: nn.Module, size: tuple[int, int], channels: int = 3) -> Grid | None:
    """Return the grid for an input of ``size`` (H, W), or None if branches disagree or an operation is unknown.

    The network runs once on the meta device (shapes only), which takes milliseconds and does not change it. Each
    convolution, pooling and padding transforms the grid; parallel branches must agree.

    Grids at the input's full size: ResNet has offset 0 at stride 32, DenseNet-121 14 (three average poolings of even
    size), VGG-16 15.5 (five max poolings of even size), SqueezeNet 15 at stride 16 (no padding). EfficientNet with
    symmetric padding has offset 0. TensorFlow's SAME padding depends on the size of each layer's input, so the offset
    of the ``tf_`` variants changes with the image size.
    """
    try:
        with GridTracer() as follow:
            return follow.grid_of(features(extractor, size, channels, follow), size)
    except RuntimeError:  # networks with data-dependent control flow do not run on the meta device
        return None


@torch.no_grad()
def features(extractor: nn.Module, size: tuple[int, int], channels: int = 3, follow: GridTracer | None = None) -> Any:
    """Return the output of ``extractor`` for images of ``size`` (H, W) as a tensor on the meta device.

    Uses two images, so that batch norm in train mode has more than one value even on a 1x1 map.
    """
    stored = [*extractor.named_parameters(), *extractor.named_buffers()]
    state = {key: torch.empty_like(value, device="meta") for key, value in stored}
    images = torch.empty(2, channels, *size, device="meta")
    if follow is not None:
        follow.start(images)
    compiles = "torch._dynamo" in sys.modules  # importing it here would be slow
    with torch.compiler.set_stance("force_eager") if compiles else contextlib.nullcontext():  # only shapes are needed
        return functional_call(extractor, state, (images,))
