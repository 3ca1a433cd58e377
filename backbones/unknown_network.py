"""Extractor and opaque head of an external network."""

import difflib
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from core.errors import BadValueError, NotAvailableError, UnknownNameError

Step = Callable[[Tensor], Tensor]


class Extractor(nn.Module):
    """An external network, run up to the feature map A.

    ``features``: the submodule with output A, or a callable that returns A. ``rectified``: apply the ReLU that follows
    the submodule.
    """

    def __init__(self, module: nn.Module, features: str | Step, rectified: bool = False) -> None:
        super().__init__()
        self.module = module
        self.features, self.rectified = features, rectified
        if isinstance(features, str):
            submodule(module, features)  # reports a typo early

    def forward(self, images: Tensor) -> Tensor:
        """Return A (N,C,h,w) of images (N,channels,H,W)."""
        take = until(self.module, self.features) if isinstance(self.features, str) else self.features
        return take(images).relu() if self.rectified else take(images)


class ForeignHead(nn.Module):
    """Opaque head, with logits but without class maps."""

    pooling_name = ""

    def __init__(self, head: Step, num_classes: int | None) -> None:
        super().__init__()
        self.head, self.num_classes = head, num_classes

    def forward(self, A: Tensor) -> Tensor:
        """Return logits (N,K) of maps (N,C,h,w). Raises ``BadValueError`` if the head does not return that shape."""
        try:
            logits = self.head(A.clone())  # the head may modify its input in place
        except (RuntimeError, ValueError, TypeError) as error:
            raise _misfit(A, str(error)) from error
        if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(A):
            raise _misfit(A, f"it returned {getattr(logits, 'shape', type(logits).__name__)}")
        return logits

    def factors(self, A: Tensor) -> None:
        """Return None: an opaque head has no closed-form gradients."""

    def ablated_drops(self, A: Tensor) -> None:
        """Return None: an opaque head has no closed form."""

    def class_maps(self, A: Tensor | None = None) -> Tensor:
        """Raise ``NotAvailableError``: the weights are unknown."""
        advice = "pass the name of its nn.Linear as head, or use a gradient method"
        raise NotAvailableError(f"the weights of this wrapped head are unknown, because it is a callable: {advice}")

    weight = bias = property(class_maps)


def until(module: nn.Module, name: str) -> Step:
    """Return a function from images to the output of the submodule ``name``; the network stops there."""
    target = submodule(module, name)

    def stop(target: nn.Module, inputs: Any, A: Tensor) -> None:
        raise _ReachedError(target, A)

    def run(images: Tensor) -> Tensor:
        hook = target.register_forward_hook(stop)
        try:
            module(images)
        except _ReachedError as reached:
            if reached.module is not target:  # raised for an outer call
                raise
            return reached.A
        finally:
            hook.remove()
        raise NotAvailableError(f"the submodule {name!r} does not run in the forward pass: choose other features")

    return run


def submodule(module: nn.Module, name: str) -> nn.Module:
    """Return the submodule with the dotted ``name``. Raises ``UnknownNameError`` with the nearest names."""
    parts = dict(module.named_modules())
    if name not in parts:
        near = difflib.get_close_matches(name, parts, n=5)
        raise UnknownNameError("submodule", name, dict.fromkeys([*near, *dict(module.named_children())]))
    return parts[name]


class _ReachedError(Exception):
    """Stops the forward pass and carries A."""

    def __init__(self, module: nn.Module, A: Tensor) -> None:
        super().__init__()
        self.module, self.A = module, A


def _misfit(A: Tensor, reason: str) -> BadValueError:
    shape = tuple(A.shape)
    advice = "give a callable such as lambda A: fc(A.mean((2, 3)))"
    return BadValueError(f"the wrapped head does not convert {shape} to (N, K) ({reason}): {advice}")
