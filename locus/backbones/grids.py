"""Grids of feature maps in the image: computed from the layers, else measured.

``locator``     the grid of an extractor of Locus: patches, arithmetic, else measured
``arithmetic``  computed from the strides, kernels and paddings of the layers (``GridTracer``)
``measured``    the grid of a part of any network, from arithmetic with its values, else from gradients
``parse``       a grid that the user gives (``--grid stride=32,offset=0``)
``require_patch_order``  refuse tokens that are not the patches of the image, row by row

Gradients are taken with the global path held: attention and means over the image pass no gradient, gates are open, and
every convolution uses its central taps. A grid must cover the image (``Grid.covers``). A measured grid must have a
stride of whole pixels, and patches of two images that are replaced must change the map at their positions
(``_confirmed``). The class ``Grid`` itself is in ``locus.core.frames``.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from locus.backbones.layers import Step, TokensOf, unchanged
from locus.core.errors import BadValueError, NotAvailableError
from locus.core.frames import Grid

ADVICE = "use --grid stride=PIXELS,offset=PIXELS, pass grid= to locus.wrap, or choose another network or layer"
STRIDE_TOLERANCE = 0.01
"""Maximum distance of a measured stride from a whole number of pixels."""
CENTRE_TOLERANCE = 0.5
"""Maximum distance in pixels of a position's measured centre from its regular grid."""
ORDER_TOLERANCE, SMALLEST_ORDER = 0.25, 1e-3
"""Maximum distance of tokens from the order of patches, as a share of the slope, and in positions."""


class AxisGrid(NamedTuple):
    """Grid of one axis: position i is centred on input pixel ``offset + stride * i``."""

    stride: float
    offset: float

    def window(self, kernel: int, stride: int, before: float, dilation: int) -> "AxisGrid":
        """Return the grid after a sliding window.

        Args:
            kernel: taps of the window.
            stride: step of the window, in cells of this grid.
            before: cells that are padded at the start.
            dilation: distance of neighbouring taps, in cells of this grid.

        Returns:
            The grid of the window's centres.

        Example:
            >>> AxisGrid(4.0, 0.0).window(kernel=2, stride=2, before=0, dilation=1)
            AxisGrid(stride=8.0, offset=2.0)
        """
        return AxisGrid(
            self.stride * stride, self.offset + ((kernel - 1) * dilation / 2 - before) * self.stride
        )


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
        inputs, shapes = (
            {self.grids[tensor] for tensor in traced},
            {tensor.shape[-2:] for tensor in traced},
        )
        name = getattr(func, "__name__", "")
        step, out = _STEPS.get(name), self.answer(func, args, kwargs)
        agreed = next(iter(inputs)) if len(inputs) == 1 else None
        for tensor in tensors_in([out]) if inputs else []:
            if step or tensor.shape[-2:] in shapes:
                self.grids[tensor] = (
                    _through(step(*args, **kwargs), agreed) if step and agreed else agreed
                )
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


def _through(window: "SlidingWindow", grids: AxisGrids) -> AxisGrids:
    y, x = (axis.window(*steps) for axis, *steps in zip(grids, *map(_pair, window), strict=True))
    return y, x


class SlidingWindow(NamedTuple):
    """Parameters of a convolution, pooling or padding: one number for both axes, or a pair."""

    kernel: Any
    stride: Any
    before: Any
    dilation: Any


def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> SlidingWindow:
    kernel = tuple(weight.shape[-2:])
    if padding == "same":
        padding = [d * (k - 1) // 2 for k, d in zip(kernel, _pair(dilation), strict=True)]
    return SlidingWindow(kernel, stride, 0 if padding == "valid" else padding, dilation)


def _convolved(
    x: Tensor,
    weight: Tensor,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> tuple[int, ...]:
    """Return the output shape of a convolution."""
    window = _convolution(x, weight, bias, stride, padding, dilation)
    sides = [
        side if padding == "same" else (side + 2 * before - dilation * (kernel - 1) - 1) // step + 1
        for side, kernel, step, before, dilation in zip(
            x.shape[-2:], *map(_pair, window), strict=True
        )
    ]
    return (*x.shape[:-3], weight.shape[0], *sides)


def _maximum(
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    *_: Any,
    **__: Any,
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
        tensors += (
            [item]
            if isinstance(item, Tensor)
            else tensors_in(item)
            if isinstance(item, tuple | list)
            else []
        )
    return tensors


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
def features(
    extractor: nn.Module, size: tuple[int, int], channels: int = 3, follow: GridTracer | None = None
) -> Any:
    """Return the output of an extractor as a tensor on the meta device.

    Uses two images, so that batch norm in train mode has more than one value even on a 1x1 map.

    Args:
        extractor: the part of a network before its head.
        size: height and width (H, W) of the images in pixels.
        channels: channels of the images.
        follow: tracer to which the images are announced; None: no grid is traced.

    Returns:
        What the extractor returns for images (2, channels, H, W).
    """
    stored = [*extractor.named_parameters(), *extractor.named_buffers()]
    state = {key: torch.empty_like(value, device="meta") for key, value in stored}
    images = torch.empty(2, channels, *size, device="meta")
    if follow is not None:
        follow.start(images)
    compiles = "torch._dynamo" in sys.modules  # importing it here would be slow
    with (
        torch.compiler.set_stance("force_eager") if compiles else contextlib.nullcontext()
    ):  # only shapes are needed
        return functional_call(extractor, state, (images,))


def locator(extractor: nn.Module, channels: int = 3) -> Callable[[tuple[int, int]], Grid]:
    """Return a function from the input's (H, W) to the grid of ``extractor``."""
    if isinstance(extractor, TokensOf):
        return extractor.grid
    return lambda size: (
        arithmetic(extractor, size, channels) or measured(extractor, extractor, size, channels)
    )


def parse(text: str) -> tuple[float, float]:
    """Return stride and offset in pixels.

    >>> parse("stride=32,offset=0")
    (32.0, 0.0)
    """
    try:
        values = {
            word: float(value) for word, value in (part.split("=") for part in text.split(","))
        }
        stride, offset = values.pop("stride"), values.pop("offset")
        if not values and 0 < stride < float("inf") and abs(offset) < float("inf"):
            return stride, offset
    except (ValueError, KeyError):
        pass
    raise BadValueError(
        f"the grid {text!r} is invalid: write stride=32,offset=0, in pixels, with a stride above 0"
    )


def measured(module: nn.Module, features: Step, size: tuple[int, int], channels: int = 3) -> Grid:
    """Return the grid of a feature map. The network is not changed.

    Args:
        module: the network.
        features: function of the images (N, channels, H, W) that returns the map; a part of ``module``.
        size: height and width (H, W) of the network's input in pixels.
        channels: channels of the network's input.

    Returns:
        The positions of the map's cells in the network's input.

    Raises:
        NotAvailableError: no grid passes the checks; the message has advice.
    """
    weight = next(module.parameters(), torch.empty(0))
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 1, channels, *size, generator=generator).to(weight.device, weight.dtype)
    with unchanged(module, weight.device), torch.compiler.set_stance("force_eager"):
        A = _run(features, images[0])
        shape = (A.shape[-2], A.shape[-1])
        traced = _traced(features, images[0].clone())
        if traced is not None and traced.covers(shape):
            return traced
        candidate = probed(module, features, size, channels)
        whole = all(abs(stride - round(stride)) < STRIDE_TOLERANCE for stride in candidate.stride)
        if whole and candidate.covers(shape) and _confirmed(candidate, features, images):
            return candidate
    raise NotAvailableError(
        f"the grid of this network cannot be measured, or fails its checks: {ADVICE}"
    )


@torch.no_grad()
def _run(features: Step, images: Tensor) -> Tensor:
    return features(images)


def _confirmed(grid: Grid, features: Step, images: Tensor) -> bool:
    """Return False if the map changes most at other positions than those of replaced patches, in both images.

    Patches in the four quarters of each image are replaced. Images whose map does not change are not counted.
    """
    misses: list[float] = []
    for image, other in ((images[0], images[1]), (images[1] / 2, images[0])):
        A = _run(features, image)
        h, w = A.shape[-2:]
        if min(h, w) < 3:
            return True  # too few positions to tell them apart
        for y in {h // 4, h - 1 - h // 4}:
            for x in {w // 4, w - 1 - w // 4}:
                rows, columns = (
                    slice(
                        max(round(offset + i * stride - half), 0),
                        max(round(offset + i * stride + half) + 1, 1),
                    )
                    for i, stride, offset, half in zip(
                        (y, x),
                        grid.stride,
                        grid.offset,
                        (max(s, side / 32) for s, side in zip(grid.stride, grid.size, strict=True)),
                        strict=True,
                    )
                )
                changed = image.clone()
                changed[..., rows, columns] = other[..., rows, columns] * 2
                change = (_run(features, changed) - A).abs().sum((0, 1)).nan_to_num()
                if change.any():
                    i, j = divmod(int(change.argmax()), w)
                    misses.append(max(abs(i - y) / max(h / 8, 1), abs(j - x) / max(w / 8, 1)))
    return not misses or sorted(misses)[len(misses) // 2] <= 1


@torch.no_grad()
def _traced(features: Step, images: Tensor) -> Grid | None:
    """Return the grid by arithmetic, from a run with values; None if branches disagree or an operation is unknown."""
    with _ValueTracer() as follow:
        follow.start(images)
        return follow.grid_of(features(images), (images.shape[-2], images.shape[-1]))


class _ValueTracer(GridTracer):
    shapes_only = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Intercept one call; after an operation that may move positions the grid is unknown."""
        traced = [tensor for tensor in tensors_in(args) if tensor in self.grids]
        out = super().__torch_function__(func, types, args, kwargs)
        if getattr(func, "__name__", "").strip("_") not in _KEEPS:
            for tensor in tensors_in([out]):
                if tensor in self.grids and not any(_is_view(tensor, source) for source in traced):
                    self.grids[tensor] = None
        return out


def _is_view(tensor: Tensor, source: Tensor) -> bool:
    """Return True if ``tensor`` has the rows and columns of ``source`` in the same memory, such as some channels."""
    same_memory = tensor.untyped_storage().data_ptr() == source.untyped_storage().data_ptr()
    return same_memory and (tensor.shape[-2:], tensor.stride()[-2:]) == (
        source.shape[-2:],
        source.stride()[-2:],
    )


@torch.inference_mode(False)
@torch.enable_grad()
def require_patch_order(module: nn.Module, extractor: Any, image: Tensor) -> None:
    """Raise ``NotAvailableError`` if the tokens of ``extractor`` are not the patches of ``image``, row by row.

    With the global path held, a pixel reaches the tokens of its patch only. Their mean row and column must be linear
    functions of those of the patch; the slope is below 1 if linear layers mix tokens. A network whose tokens pass on no
    gradient to the pixels is not checked.
    """
    image = image.detach().clone().requires_grad_()
    with (
        unchanged(module, image.device),
        torch.compiler.set_stance("force_eager"),
        _CentralTaps(image),
    ):
        A = extractor(image)
    h, w = A.shape[-2:]
    stride = extractor.strides((image.shape[-2], image.shape[-1]))[h, w]
    total = _pixel_gradient(A, image, torch.ones(h, w))
    if total is None or not total.isfinite().all() or not total.any():
        return
    rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    y, x = (total.abs() > 1e-6 * total.abs().max()).nonzero(as_tuple=True)
    for places, pixels in ((rows, y), (columns, x)):
        weighted = _pixel_gradient(A, image, places)
        if weighted is not None and not _is_ordered((weighted / total)[y, x], pixels // stride):
            raise NotAvailableError(
                f"the {h * w} tokens of this network are not the patches of the image in rows, after its other tokens: "
                "name an earlier map with --features, or pass callables to locus.wrap"
            )


def _pixel_gradient(A: Tensor, image: Tensor, weight: Tensor) -> Tensor | None:
    """Return the gradient (H,W) of a map times ``weight`` (h,w), summed over channels; None if there is none."""
    grad_outputs = weight.to(A).expand_as(A).contiguous()
    if not A.requires_grad:
        return None
    (gradient,) = torch.autograd.grad(A, image, grad_outputs, retain_graph=True, allow_unused=True)
    return None if gradient is None else gradient.double().sum((0, 1)).cpu()


def _is_ordered(measured: Tensor, expected: Tensor) -> bool:
    """Return True if measured places (P,) are an increasing or constant linear function of the expected ones (P,)."""
    centred = expected.double() - expected.double().mean()
    slope = float((measured * centred).sum() / (centred**2).sum().clamp(min=1))
    distance = float((measured - measured.mean() - slope * centred).abs().max())
    return slope > -SMALLEST_ORDER and distance <= max(ORDER_TOLERANCE * slope, SMALLEST_ORDER)


@torch.inference_mode(False)
@torch.enable_grad()
def probed(module: nn.Module, features: Step, size: tuple[int, int], channels: int = 3) -> Grid:
    """Measure the grid with gradients, with the global path held.

    The gradient of one position covers few pixels and its centroid is exact (parallel branches have equal weight).

    Args:
        module: the network.
        features: function of the images (N, channels, H, W) that returns the map; a part of ``module``.
        size: height and width (H, W) of the network's input in pixels.
        channels: channels of the network's input.

    Returns:
        The positions of the map's cells in the network's input.

    Raises:
        NotAvailableError: there is no gradient, or the grid is not regular.
    """
    weight = next(module.parameters(), torch.empty(0))
    plain = torch.ones(1, channels, *size)
    noise = torch.rand(1, channels, *size, generator=torch.Generator().manual_seed(0))
    for values in (
        plain,
        noise,
    ):  # a constant image gives exact centroids, but has no range to normalise
        images = values.to(weight.device, weight.dtype).requires_grad_()
        with unchanged(module, weight.device), _CentralTaps(images):
            A = features(images)
        if axes := list(_axes(A, images)):
            (y, dy), (x, dx) = axes
            return Grid(size, (dy, dx), (y, x))
    raise NotAvailableError(f"the feature map of this network has no regular grid: {ADVICE}")


def _axes(A: Tensor, images: Tensor) -> Iterator[tuple[float, float]]:
    """Yield (offset, stride) of rows and columns, from two neighbours in the middle; nothing without gradients.

    Positions near both edges must fit them, because rounding (such as by resizing to the nearest pixel) hides a stride.
    One without a gradient there (padding) is passed over.
    """
    h, w = A.shape[-2:]
    centroids: list[dict[int, float]] = [{}, {}]
    middle = {(h // 2, w // 2), (max(h // 2 - 1, 0), max(w // 2 - 1, 0))}
    edges = {(min(1, h - 1), min(1, w - 1)), (max(h - 2, 0), max(w - 2, 0))} - middle
    for i, j in (*middle, *edges):
        try:
            (gradient,) = torch.autograd.grad(
                A[0, :, i, j].sum(), images, retain_graph=True, allow_unused=True
            )
        except (
            RuntimeError
        ):  # no graph (no_grad), or one that runs again without the mode (checkpoints)
            return
        total = 0.0 if gradient is None else float(gradient.sum())
        if (i, j) in edges and total == 0:
            continue
        if gradient is None or total == 0 or not abs(total) < float("inf"):
            return
        mass = gradient.double().sum((0, 1)) / total
        for d, (position, seen) in enumerate(zip((i, j), centroids, strict=True)):
            seen[position] = float(
                (mass.sum(1 - d) * torch.arange(mass.shape[d], device=mass.device)).sum()
            )
    lines = [
        _line(seen, *sides)
        for seen, *sides in zip(centroids, (h, w), images.shape[-2:], strict=True)
    ]
    regular = all(
        abs(offset + stride * i - centre) <= CENTRE_TOLERANCE
        for seen, (offset, stride) in zip(centroids, lines, strict=True)
        for i, centre in seen.items()
    )
    if regular and all(stride > 0 for _, stride in lines):
        yield from lines


def _line(seen: dict[int, float], count: int, side: int) -> tuple[float, float]:
    """Return (offset, stride) of the line through the middle of ``count`` points; one point has the side as stride."""
    last = count // 2
    stride = seen[last] - seen[last - 1] if count > 1 else side
    return round(seen[last] - stride * last, 3) + 0.0, round(stride, 3)  # + 0.0 turns -0.0 into 0.0


class _CentralTaps(TorchFunctionMode):
    """Torch function mode that reduces a network to shifts and averages of pixels, with a constant global path."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self._of_image = WeakTensorKeyDictionary()
        self._of_image[images] = True

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        inputs = [x for x in tensors_in([*args, *kwargs.values()]) if x in self._of_image]
        if name in _PASS and args:
            return args[0]
        out = _ANSWERS.get(name, func)(*args, **kwargs)
        is_global = name in _GLOBAL or (name in _PRODUCTS and len(inputs) > 1)
        is_global = is_global or (
            name.startswith("adaptive_") and isinstance(out, Tensor) and out.shape[-2:] == (1, 1)
        )
        if inputs and is_global:
            held = [
                value.detach() if isinstance(value, Tensor) else value for value in (out, *args)
            ]
            out = held[0] if isinstance(out, Tensor) else func(*held[1:], **kwargs)
        for tensor in tensors_in([out]) if inputs else []:
            self._of_image[tensor] = True
        return out


_KEEPS = {
    *(
        "conv2d",
        "max_pool2d",
        "avg_pool2d",
        "adaptive_avg_pool2d",
        "pad",
        "interpolate",
        "batch_norm",
        "group_norm",
    ),
    *(
        "instance_norm",
        "layer_norm",
        "dropout",
        "feature_dropout",
        "relu",
        "relu6",
        "leaky_relu",
        "prelu",
        "elu",
    ),
    *(
        "selu",
        "celu",
        "gelu",
        "silu",
        "mish",
        "hardswish",
        "hardtanh",
        "hardsigmoid",
        "softplus",
        "sigmoid",
        "tanh",
    ),
    *(
        "threshold",
        "add",
        "radd",
        "iadd",
        "sub",
        "rsub",
        "isub",
        "mul",
        "rmul",
        "imul",
        "div",
        "truediv",
        "rtruediv",
    ),
    *(
        "itruediv",
        "neg",
        "pow",
        "square",
        "sqrt",
        "rsqrt",
        "exp",
        "log",
        "abs",
        "clamp",
        "clip",
        "nan_to_num",
    ),
    *(
        "maximum",
        "minimum",
        "where",
        "lerp",
        "addcmul",
        "cat",
        "concat",
        "stack",
        "sum",
        "mean",
        "amax",
        "contiguous",
    ),
    *("clone", "to", "float", "detach", "type", "expand_as", "softmax"),
}
"""Operations whose result has the positions of their input if it has its rows and columns; without underscores."""
_GLOBAL = {
    "mean", "std", "var", "amax", "amin", "max", "min", "softmax", "std_mean", "var_mean",
    "scaled_dot_product_attention",
}  # fmt: skip
"""Operations over the image, whose results count as constants."""
_PRODUCTS = {"matmul", "__matmul__", "__rmatmul__", "bmm", "baddbmm", "einsum", "mm"}
"""Products that mix positions if both factors depend on the image."""
_PASS = {
    *("batch_norm", "instance_norm", "group_norm", "layer_norm", "dropout", "feature_dropout"),
    *("relu", "relu_", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "hardswish", "hardtanh"),
    *("prelu", "softplus"),
}  # fmt: skip


def _open(x: Tensor, *_: Any, **__: Any) -> Tensor:
    """Replace a gate by ones."""
    return torch.ones_like(x)


def _convolve(
    x: Tensor,
    weight: Tensor,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve with the central taps only."""
    return nn.functional.conv2d(
        x, _central(weight.detach()), None, stride, padding, dilation, groups
    )


def _mix(x: Tensor, weight: Tensor, bias: Any = None) -> Tensor:
    """Replace a linear layer by the mean of its inputs."""
    return nn.functional.linear(x, torch.full_like(weight.detach(), 1 / weight.shape[1]))


def _pool(
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    **_: Any,
) -> Tensor:
    height, width = (
        kernel_size if isinstance(kernel_size, tuple | list) else (kernel_size, kernel_size)
    )
    shape = nn.functional.max_pool2d(
        x.detach(), kernel_size, stride, padding, dilation, ceil_mode
    ).shape
    x = x.nan_to_num(neginf=0)  # SAME pooling pads with minus infinity
    x = nn.functional.pad(x, (0, width, 0, height)) if ceil_mode else x
    taps = _central(x.new_empty(x.shape[1], 1, height, width))
    pooled = nn.functional.conv2d(
        x, taps, None, stride or kernel_size, padding, dilation, x.shape[1]
    )
    return pooled[..., : shape[-2], : shape[-1]]


def _average(
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    *_: Any,
    **__: Any,
) -> Tensor:
    return _pool(x, kernel_size, stride, padding, 1, ceil_mode)


_ANSWERS: dict[str, Callable[..., Tensor]] = {
    "conv2d": _convolve, "linear": _mix, "max_pool2d": _pool, "avg_pool2d": _average,
    "sigmoid": _open, "hardsigmoid": _open,
}  # fmt: skip


def _central(weight: Tensor) -> Tensor:
    """Return weights of the same shape: equal at the central taps, 0 elsewhere, with sum 1 per output."""
    taps = torch.zeros_like(weight)
    h, w = weight.shape[-2:]
    taps[..., (h - 1) // 2 : h // 2 + 1, (w - 1) // 2 : w // 2 + 1] = 1
    return taps / taps.sum((1, 2, 3), keepdim=True)
