"""Grids of feature maps, measured with gradients, if they cannot be computed from kernels, strides and padding.

During the measurement every convolution and pooling uses only its central taps (one of an odd kernel, two of an even
one), gates are open, and norms and activations are the identity. The gradient of one position then covers few pixels
and its centroid is exact (parallel branches have equal weight). The network is not changed: its calls are intercepted.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from core.errors import NotAvailableError
from core.frames import Grid

ADVICE = "pass grid=lambda size: Grid(…) to backbones.wrap"


def grid(module: nn.Module, features: Callable[[Tensor], Tensor], size: tuple[int, int], channels: int = 3) -> Grid:
    """Measure the grid of ``features`` (a part of ``module``) for inputs of ``size`` (H, W).

    Raises ``NotAvailableError``, with advice, if the gradient is zero or the grid is not regular.
    """
    with evaluating(module):
        rows, columns = _centroids(module, features, size, channels)
    (y, dy), (x, dx) = _line(rows, size[0]), _line(columns, size[1])
    return Grid(size, (dy, dx), (y, x))


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


@torch.inference_mode(False)
@torch.enable_grad()
def _centroids(
    module: nn.Module, features: Callable[[Tensor], Tensor], size: tuple[int, int], channels: int
) -> list[dict[int, float]]:
    """Return, for rows and columns, position -> input pixel for two neighbours in the middle."""
    weight = next(module.parameters(), torch.empty(0))
    images = torch.ones(1, channels, *size, device=weight.device, dtype=weight.dtype, requires_grad=True)
    with torch.autocast(weight.device.type, enabled=False), torch.compiler.set_stance("force_eager"), _CentralTaps():
        A = features(images)
    centroids: list[dict[int, float]] = [{}, {}]
    h, w = A.shape[-2:]
    for i, j in {(h // 2, w // 2), (max(h // 2 - 1, 0), max(w // 2 - 1, 0))}:
        (gradient,) = torch.autograd.grad(A[0, :, i, j].sum(), images, retain_graph=True, allow_unused=True)
        centroids[0][i], centroids[1][j] = _centroid(gradient)
    return centroids


def _centroid(gradient: Tensor | None) -> list[float]:
    total = 0.0 if gradient is None else float(gradient.sum())
    if gradient is None or not 0 < total < float("inf"):
        raise NotAvailableError(f"the grid of this network cannot be measured with gradients: {ADVICE}")
    mass = gradient.double().sum((0, 1)) / total
    return [float((mass.sum(1 - d) * torch.arange(n, device=mass.device)).sum()) for d, n in enumerate(mass.shape)]


def _line(seen: dict[int, float], side: int) -> tuple[float, float]:
    """Return (offset, stride) of the line through the points; a single position has the side as its stride."""
    last = max(seen)
    stride = seen[last] - seen[last - 1] if len(seen) > 1 else side
    if not stride > 0:
        raise NotAvailableError(f"the feature map of this network has no regular grid: {ADVICE}")
    return round(seen[last] - stride * last, 3) + 0.0, round(stride, 3)  # + 0.0 turns -0.0 into 0.0


class _CentralTaps(TorchFunctionMode):
    """Torch function mode that reduces a network to shifts and averages of pixels."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in _PASS:
            return args[0]
        return _ANSWERS.get(name, func)(*args, **(kwargs or {}))


_PASS = {
    *("batch_norm", "instance_norm", "group_norm", "layer_norm", "dropout", "feature_dropout"),
    *("relu", "relu_", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "hardswish", "hardtanh"),
    *("prelu", "softplus"),
}  # fmt: skip


def _open(x: Tensor, *_: Any, **__: Any) -> Tensor:
    """Replace a gate by ones."""
    return torch.ones_like(x)


def _convolve(
    x: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Tensor:
    """Convolve with the central taps only."""
    return nn.functional.conv2d(x, _central(weight.detach()), None, stride, padding, dilation, groups)


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
    height, width = kernel_size if isinstance(kernel_size, tuple | list) else (kernel_size, kernel_size)
    shape = nn.functional.max_pool2d(x.detach(), kernel_size, stride, padding, dilation, ceil_mode).shape
    x = x.nan_to_num(neginf=0)  # SAME pooling pads with minus infinity
    x = nn.functional.pad(x, (0, width, 0, height)) if ceil_mode else x
    taps = _central(x.new_empty(x.shape[1], 1, height, width))
    pooled = nn.functional.conv2d(x, taps, None, stride or kernel_size, padding, dilation, x.shape[1])
    return pooled[..., : shape[-2], : shape[-1]]


def _average(
    x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, *_: Any, **__: Any
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
