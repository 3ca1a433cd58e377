"""Split a network at a layer: the output of a submodule of the extractor, and the rest of the network after it.

``layer`` is the public name of the submodule (:mod:`backbones.layers`).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from backbones import geometry, probe
from backbones.layers import Network, path
from backbones.probe import evaluating
from backbones.tokens import TokensOf
from backbones.unknown_network import Extractor
from core.errors import NotAvailableError
from core.frames import Grid

Tail = Callable[[Tensor], Tensor]


@torch.inference_mode(False)
def run(model: Network, images: Tensor, layer: str) -> tuple[Tensor, Tensor]:
    """Return the map of a layer (N,C,h,w), a float32 leaf that requires gradients, and the logits (N,K).

    One forward pass in evaluation mode. Layers before ``layer`` do not record a graph; the network continues with a
    copy of the leaf, so that in-place operations cannot change it. Raises ``UnknownNameError`` for an unknown submodule
    and ``NotAvailableError`` for one that does not return a map exactly once.
    """
    leaves: list[Tensor] = []

    def leave(A: Tensor) -> Tensor:
        leaves.append(A.detach().float().clone(memory_format=torch.contiguous_format).requires_grad_())
        torch.set_grad_enabled(True)
        return leaves[0].clone()

    logits = _replaced(model, images, layer, leave)
    return leaves[0], logits


def tail(model: Network, images: Tensor, layer: str) -> Tail:
    """Return a differentiable function for the rest of the network: maps (M,C,h,w) of the layer -> logits (M,K).

    The network runs with the output of the layer replaced. If all paths pass through the layer, the layers before it
    run for one image only. If a path bypasses it (as within a dense or residual block), they run for each of the M
    maps, which must be grouped by image in the order of ``images`` (N,3,H,W), M/N maps per image.
    """
    passes = _everything_passes(model, images[:1], layer)

    def logits(A: Tensor) -> Tensor:
        tracked = torch.is_grad_enabled()

        def put(output: Tensor) -> Tensor:
            torch.set_grad_enabled(tracked)
            return A.clone()

        owner = torch.arange(len(A), device=images.device) * len(images) // len(A)
        return _replaced(model, images[:1] if passes else images[owner], layer, put)

    return logits


def grid(model: Network, layer: str, size: tuple[int, int]) -> Grid:
    """Return the grid of a layer for inputs of ``size`` (H, W), without caching (``model.grid`` caches it).

    Computed by arithmetic, or by gradients for wrapped networks, whose ``extractor`` is an ``Extractor``. Raises as
    :func:`run` does.
    """
    part = Extractor(model, path(model, layer))
    if isinstance(model.extractor, TokensOf):
        A = _map(model, layer, geometry.features(part, size, model.channels), size)
        return model.extractor.grid(size, (A.shape[-2], A.shape[-1]))
    if isinstance(model.extractor, Extractor):
        return probe.grid(model, part, size, model.channels)
    return geometry.locator(part, model.channels)(size)


def _replaced(model: Network, images: Tensor, layer: str, replace: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the logits of ``images`` with the output A of the layer replaced by ``replace(A)``."""
    calls: list[bool] = []

    def hook(part: Any, inputs: Any, output: Any) -> Tensor:
        if calls:
            raise NotAvailableError(f"the layer {layer!r} runs several times in a forward pass: choose another layer")
        calls.append(True)
        A = replace(_map(model, layer, output, (images.shape[-2], images.shape[-1])))
        return _as_before(model, A, output).to(output.dtype)

    handle = model.get_submodule(path(model, layer)).register_forward_hook(hook)
    try:
        # compiled code ignores hooks
        with evaluating(model), torch.no_grad(), torch.compiler.set_stance("force_eager"):
            logits = model(images)
    finally:
        handle.remove()
    if not calls:
        raise NotAvailableError(f"the layer {layer!r} does not run in the forward pass: choose another layer")
    return logits


def _map(model: Network, layer: str, output: Any, size: tuple[int, int]) -> Tensor:
    """Convert the output of a layer to a map (N,C,h,w)."""
    A = model.extractor.as_map(output, size) if isinstance(model.extractor, TokensOf) else output
    if not isinstance(A, Tensor) or A.ndim != 4:
        is_tensor = isinstance(output, Tensor)
        kind = f"a tensor of shape {tuple(output.shape)}" if is_tensor else f"a {type(output).__name__}"
        raise NotAvailableError(f"the layer {layer!r} returns {kind}, not a map (N, C, h, w): choose another layer")
    return A


def _as_before(model: Network, A: Tensor, output: Tensor) -> Tensor:
    """Convert a map to the format of the layer's ``output``."""
    return model.extractor.as_tokens(A, output) if isinstance(model.extractor, TokensOf) else A


def _everything_passes(model: Network, image: Tensor, layer: str) -> bool:
    """Return True if the logits depend on the image only through the layer: an image of nan must not affect them."""
    with torch.no_grad():
        return bool(_replaced(model, torch.full_like(image, torch.nan), layer, torch.zeros_like).isfinite().all())
