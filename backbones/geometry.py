"""Grids of feature maps, computed from the strides, kernels and paddings of the network's layers.

The network runs once on the meta device (shapes only), which takes milliseconds and does not change it. Each
convolution, pooling and padding transforms the grid; parallel branches must agree. If they do not, or for an
unsupported operation, :mod:`backbones.probe` uses gradients instead.

Grids at the input's full size: ResNet has offset 0 at stride 32, DenseNet-121 14 (three average poolings of even size),
VGG-16 15.5 (five max poolings of even size), SqueezeNet 15 at stride 16 (no padding). EfficientNet with symmetric
padding has offset 0. TensorFlow's SAME padding depends on the size of each layer's input, so the offset of the ``tf_``
variants changes with the image size.
"""

import contextlib
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from backbones import probe
from backbones.grid_tracer import AxisGrid, GridTracer
from backbones.tokens import TokensOf
from core.frames import Grid


def locator(extractor: nn.Module, channels: int = 3) -> Callable[[tuple[int, int]], Grid]:
    """Return a function from the input's (H, W) to the grid of ``extractor``."""
    if isinstance(extractor, TokensOf):
        return extractor.grid
    return lambda size: arithmetic(extractor, size, channels) or probe.grid(extractor, extractor, size, channels)


def arithmetic(extractor: nn.Module, size: tuple[int, int], channels: int = 3) -> Grid | None:
    """Return the grid for an input of ``size`` (H, W), or None if branches disagree or an operation is unknown."""
    try:
        with GridTracer() as follow:
            grids = follow.grids.get(features(extractor, size, channels, follow))
    except RuntimeError:  # networks with data-dependent control flow do not run on the meta device
        return None
    if grids is None:
        return None
    y, x = grids
    return Grid(size, (y.stride, x.stride), (y.offset, x.offset))


@torch.no_grad()
def features(extractor: nn.Module, size: tuple[int, int], channels: int = 3, follow: GridTracer | None = None) -> Any:
    """Return the output of ``extractor`` for images of ``size`` (H, W) as a tensor on the meta device.

    Uses two images, so that batch norm in train mode has more than one value even on a 1x1 map.
    """
    stored = [*extractor.named_parameters(), *extractor.named_buffers()]
    state = {key: torch.empty_like(value, device="meta") for key, value in stored}
    images = torch.empty(2, channels, *size, device="meta")
    if follow is not None:
        follow.grids[images] = (AxisGrid(1.0, 0.0), AxisGrid(1.0, 0.0))
    compiles = "torch._dynamo" in sys.modules  # importing it here would be slow
    with torch.compiler.set_stance("force_eager") if compiles else contextlib.nullcontext():  # only shapes are needed
        return functional_call(extractor, state, (images,))
