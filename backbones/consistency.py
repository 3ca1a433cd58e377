"""Check that features and head together equal a wrapped network, so that no layer between them is dropped silently."""

from typing import Any

import torch
from torch import Tensor, nn

from backbones.probe import evaluating
from core.errors import BadValueError

SIDE = 224
"""Side of the image on which both computations are compared."""
UNABLE = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, ArithmeticError)
"""Errors of a network that does not accept such an image."""


def require_same_logits(module: nn.Module, model: nn.Module, head: nn.Module, channels: int) -> None:
    """Raise ``BadValueError`` if ``head`` does not have the same output in ``model`` as in the network ``module``.

    Compares both on one image of noise, in evaluation mode and without gradients; the network is not changed. Networks
    that do not accept the image, or use their head differently, are skipped. Layers after the head (a sigmoid) do not
    count.
    """
    with evaluating(module):
        pair = _both_ways(module, model, head, noise(module, channels))
    if pair is None:
        return
    theirs, ours = pair
    scale, tolerance = float(theirs.abs().max()), max(1e-4, 10 * torch.finfo(theirs.dtype).eps)
    if (gap := float((theirs - ours).abs().max())) > tolerance * scale:
        raise BadValueError(
            "the head of the mean of the features does not give the logits of the network (logits up to "
            f"{scale:.2g} differ by {gap:.2g}): pass as features a callable with all layers before the mean, such as "
            "lambda x: net.features(x).relu(), or leave features out, so that they are detected"
        )


@torch.no_grad()
def _both_ways(module: nn.Module, model: nn.Module, head: nn.Module, image: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return the logits of the whole ``module`` and of ``model``, or None if they cannot be compared."""
    seen: list[Any] = []
    hook = head.register_forward_hook(lambda part, inputs, out: seen.append(out.clone()))
    try:
        with torch.autocast(image.device.type, enabled=False):
            module(image)
            hook.remove()
            ours = model(image)
    except UNABLE:
        return None
    finally:
        hook.remove()
    comparable = len(seen) == 1 and isinstance(seen[0], Tensor) and seen[0].shape == ours.shape
    return (seen[0], ours) if comparable else None


def logits_of(output: Any) -> Tensor:
    """Return the logits (N,K) in a network's output: a tensor, or an object with ``logits`` (transformers).

    Raises ``BadValueError`` for a tuple, a dict or a tensor of another shape.
    """
    logits = getattr(output, "logits", output)
    if isinstance(logits, Tensor) and logits.ndim == 2:
        return logits
    kind = f"a tensor of shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else f"a {type(output).__name__}"
    raise BadValueError(f"the network returns {kind}: it must return its logits as one tensor (N, K)")


def noise(module: nn.Module, channels: int, side: int = SIDE) -> Tensor:
    """Return fixed noise (1,channels,side,side) of the network's type and device, without changing torch's seed."""
    weight = next(module.parameters(), torch.empty(0))
    image = torch.randn(1, channels, side, side, generator=torch.Generator().manual_seed(0))
    return image.to(weight.device, weight.dtype)
