"""Record the outputs of the submodules of an external network for one image."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from backbones.consistency import logits_of, noise
from backbones.probe import evaluating
from core.errors import BadValueError
from core.user_code import ANYTHING


@dataclass
class ForwardTrace:
    """Outputs of the submodules of a network for one image."""

    size: tuple[int, int]
    outputs: dict[str, Tensor] = field(default_factory=dict)
    """Submodule -> output, in the order of completion."""
    repeated: set[str] = field(default_factory=set)
    """Submodules that ran more than once; their output is that of the last call."""
    linear: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    """Linear layer -> its input and output."""
    patch: int = 0
    """Patch size of the first convolution; 0 if it does not cut patches."""
    logits: Tensor = field(default_factory=lambda: torch.empty(0))

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """(h, w) of the patches at each stage; each stage halves the previous one, rounded up.

        >>> ForwardTrace((224, 224), patch=16).shapes
        [(14, 14), (7, 7), (4, 4), (2, 2), (1, 1)]
        """
        shapes = [(self.size[0] // self.patch, self.size[1] // self.patch)]
        while min(shapes[-1]) > 1:
            shapes.append(((shapes[-1][0] + 1) // 2, (shapes[-1][1] + 1) // 2))
        return shapes

    def is_tokens(self, output: Tensor) -> bool:
        """Return True if a tensor is (1,T,C), or (1,h,w,C) as in Swin."""
        if output.ndim != 4:
            return output.ndim == 3
        return bool(self.patch) and tuple(output.shape[1:3]) in self.shapes


@torch.enable_grad()
@torch.inference_mode(False)
def observe(module: nn.Module, channels: int, side: int) -> ForwardTrace:
    """Run one image of noise through ``module`` in evaluation mode, with gradients enabled."""
    trace = ForwardTrace((side, side))
    image = noise(module, channels, side).requires_grad_()
    with evaluating(module), ExitStack() as hooks, torch.autocast(image.device.type, enabled=False):
        for name, part in module.named_modules():
            if name:
                hooks.callback(part.register_forward_hook(_recorder(trace, name)).remove)
        try:
            output = module(image)
        except ANYTHING as error:
            raise BadValueError(
                f"the network fails for an image of {channels}x{side}x{side} ({type(error).__name__}: {error}): "
                "set its channels and img_size"
            ) from error
    trace.logits = logits_of(output)
    if trace.logits.dtype != image.dtype:
        reason = f"its weights are {image.dtype}, but its logits are {trace.logits.dtype}"
        raise BadValueError(f"the network changes the precision ({reason}): not supported")
    return trace


def _recorder(trace: ForwardTrace, name: str) -> Any:
    def record(part: nn.Module, inputs: tuple[Any, ...], output: Any) -> Tensor | None:
        if isinstance(part, nn.Conv2d) and not trace.outputs and part.kernel_size == part.stride:
            trace.patch = part.kernel_size[0]
        if not isinstance(output, Tensor):
            return None
        if isinstance(part, nn.Linear) and output.ndim == 2:
            trace.linear[name] = inputs[0].clone(), output.clone()
        if trace.outputs.pop(name, None) is not None:
            trace.repeated.add(name)
        trace.outputs[name] = output
        return output.clone()  # protects the recorded tensor from in-place operations

    return record
