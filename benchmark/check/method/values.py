"""Check that maps are float32 on the images' device, have the grid's shape and are finite for any input."""

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from backbones import Classifier
from benchmark.check.method.question import MethodOnModel, Observation, judged, question
from benchmark.explain import run_method
from core.frames import Grid

LARGE = 200.0
"""Logits of this size make exp and sigmoid overflow or vanish in float32."""


@question("maps are compared and stored as float32: avoid numpy's float64, and detach gradients")
def dtype(subject: MethodOnModel) -> Observation:
    """Check the return value of the method itself, before any conversion."""
    with torch.no_grad():
        maps = subject.make().maps(subject.evidence())
    return judged(maps.dtype == torch.float32, str(maps.dtype).removeprefix("torch."))


@question("the method would fail on a GPU: create new tensors with device=evidence.A.device")
def device(subject: MethodOnModel) -> Observation:
    """Check that new tensors are created on the images' device; this works without a GPU."""
    evidence = subject.evidence()
    try:
        with torch.no_grad(), Elsewhere():
            maps = subject.make().maps(evidence)
    except NotImplementedError:  # meta tensors cannot be moved back
        moved = "moves tensors to the images' device; only a GPU shows whether it moves all of them"
        return Observation("info", moved)
    good = maps.device == evidence.A.device
    return judged(good, f"maps are {'' if good else 'not '}on the images' device")


class Elsewhere(TorchFunctionMode):
    """Create new tensors without an explicit device on the meta device, except scalars."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Return the function's result, on the meta device if it is a new tensor."""
        made = func(*args, **(kwargs or {}))
        flat = [value for arg in args for value in (arg if isinstance(arg, list | tuple) else [arg])]
        new = "device" not in (kwargs or {}) and not any(isinstance(value, Tensor) for value in flat)
        return made.to("meta") if new and isinstance(made, Tensor) and made.ndim > 0 else made


@question(
    "the maps would be drawn and scored at the wrong position: return maps of the size of A, or override grid(evidence)"
)
def grid(subject: MethodOnModel) -> Observation:
    """Compare the shape of the maps with the grid of the method."""
    method, evidence = subject.make(), subject.evidence()
    explained = run_method(method, evidence)
    where = explained.grid
    shape, expected = (explained.maps.shape[-2], explained.maps.shape[-1]), (evidence.A.shape[-2], evidence.A.shape[-1])
    text = f"{shape[0]} x {shape[1]} positions, stride {where.stride[0]:g}, offset {where.offset[0]:g}"
    right = shape == expected if where == evidence.grid else where.size == evidence.grid.size and _covers(where, shape)
    return judged(right, text)


def _covers(grid: Grid, shape: tuple[int, int]) -> bool:
    """Return True if the first and last positions are within one stride of the image's edges."""
    axes = zip(shape, grid.size, grid.stride, grid.offset, strict=True)
    ends = ((offset, side - 1 - (offset + stride * (n - 1)), stride) for n, side, stride, offset in axes)
    return all(-stride < first < stride and -stride < last < stride for first, last, stride in ends)


@question("maps are NaN or infinite: guard denominators against 0, subtract the maximum before exp")
def finite(subject: MethodOnModel) -> Observation:
    """Check constant images, huge values, feature maps of zeros and logits of 200 and -200."""
    values = {value: torch.full_like(subject.images, value) for value in (0.0, 1.0, 1e4, -1e4)}
    cases = {f"images of {value:g}": (subject.model, images) for value, images in values.items()}
    cases[f"logits up to {LARGE:g}"] = (_loud(subject, 1), subject.images)
    cases["the negative of these logits"] = (_loud(subject, -1), subject.images)
    cases["feature maps of zeros"] = (_silent(subject), subject.images)
    maps = {
        name: replace(subject, model=network, images=images[:2]).maps() for name, (network, images) in cases.items()
    }
    bad = [name for name, values in maps.items() if not values.isfinite().all()]
    return judged(not bad, f"NaN or infinite for {', '.join(bad)}" if bad else f"finite for {', '.join(cases)}")


def _loud(subject: MethodOnModel, sign: int) -> Classifier:
    """Return the model with a head scaled by ``sign`` until its logits reach ``LARGE``."""
    network = copy.deepcopy(subject.model, {id(subject.model.extractor): subject.model.extractor})
    with torch.no_grad():
        network.weight.mul_(sign * LARGE / float(subject.model(subject.images).abs().max()))
    return network


def _silent(subject: MethodOnModel) -> Classifier:
    """Return the model with feature maps of zeros: its normalisation layers output 0."""
    network = copy.deepcopy(subject.model)
    with torch.no_grad():
        for part in network.modules():
            if isinstance(part, nn.BatchNorm2d | nn.LayerNorm):
                nn.init.zeros_(part.weight)
                nn.init.zeros_(part.bias)
    return network
