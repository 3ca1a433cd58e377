"""Layers of a network by their public names: list them, run the network up to a layer, and run the rest after it.

Public names are the dotted names in the original network (``layer3``, ``features.denseblock2``); layers of a plain
``nn.Sequential`` are named ``features.N``, as in timm and torchvision. ``path`` finds the submodule, ``run`` returns
its map and the logits, ``tail`` the rest of the network as a function, and ``grid`` the positions of its map.

``Extractor`` and ``ForeignHead`` are an external network cut at a layer; ``locus.backbones.wrapping`` chooses the
layer.
"""

import difflib
import functools
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from locus.backbones import grids, probe_grid
from locus.backbones.grids import TokensOf, evaluating
from locus.core.errors import BadValueError, NotAvailableError, UnknownNameError
from locus.core.frames import Grid


class Network(nn.Module):
    """Attributes of ``Classifier`` that this module needs."""

    extractor: nn.Module
    attention: nn.Module | None
    channels: int

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Public names of the layers before the pooled map that return feature maps."""
        raise NotImplementedError


def earlier_layers(model: Network, declared: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ``declared`` layer names without the layer whose output is pooled directly."""
    if model.attention is not None or not declared:
        return declared
    outputs: dict[str, Any] = {}
    with ExitStack() as hooks:
        for name in declared:
            part = model.get_submodule(path(model, name))
            handle = part.register_forward_hook(lambda part, inputs, output, name=name: outputs.update({name: output}))
            hooks.callback(handle.remove)
        A = grids.features(model.extractor, getattr(model.extractor, "native", (224, 224)), model.channels)
    return tuple(name for name in declared if outputs.get(name) is not A)


def path(model: Network, layer: str) -> str:
    """Return the dotted name within ``model`` for a public layer name. Raises ``UnknownNameError`` with the nearest."""
    paths = _paths(model)
    if layer not in paths:
        names = model.layer_names or list(dict.fromkeys(name.split(".")[0] for name in paths))
        near = difflib.get_close_matches(layer, paths, n=5)
        raise UnknownNameError("layer", layer, names, near, also="other submodules by their dotted names")
    return paths[layer]


def _paths(model: Network) -> dict[str, str]:
    """Return public name -> dotted name within ``model``, for all parts of the extractor."""
    root = next((name for name in ("net", "module") if hasattr(model.extractor, name)), "")
    parts = [name for name, _ in model.extractor.get_submodule(root).named_modules() if name]
    if root:
        return {name: f"extractor.{root}.{name}" for name in parts}
    return {f"features.{name}": f"extractor.{name}" for name in parts}


Step = Callable[[Tensor], Tensor]
ACTIVATIONS: dict[str, Step] = {
    "": lambda A: A,
    **{name: getattr(nn.functional, name) for name in ("relu", "silu", "gelu", "hardswish", "elu", "mish", "softplus")},
    **{f"leaky_relu({s})": functools.partial(nn.functional.leaky_relu, negative_slope=s) for s in (0.01, 0.1, 0.2)},
    **{name: getattr(torch, name) for name in ("tanh", "sigmoid")},
}
"""Functions that a network may apply to a map between its last submodule and the pooling."""


class Extractor(nn.Module):
    """An external network, run up to the feature map A.

    ``features``: the submodule with output A, or a callable that returns A. ``activation``: the function from
    ``ACTIVATIONS`` that follows the submodule.
    """

    def __init__(self, module: nn.Module, features: str | Step, activation: str = "") -> None:
        super().__init__()
        self.module = module
        self.features, self.activation = features, ACTIVATIONS[activation]
        if isinstance(features, str):
            submodule(module, features.split("+")[0])  # reports a typo early

    def forward(self, images: Tensor) -> Tensor:
        """Return A (N,C,h,w) of images (N,channels,H,W)."""
        take = until(self.module, self.features) if isinstance(self.features, str) else self.features
        return self.activation(take(images))


class ForeignHead(nn.Module):
    """Opaque head, with logits but without class maps."""

    pooling_name = ""

    def __init__(self, head: Step, num_classes: int | None, spec: Any = None) -> None:
        super().__init__()
        self.head, self.spec = head, spec
        self.num_classes = num_classes if spec is None or spec.outputs is None else len(spec.outputs)

    def forward(self, A: Tensor) -> Tensor:
        """Return logits (N,K) of maps (N,C,h,w). Raises ``BadValueError`` if the head does not return that shape."""
        return self._logits(A) if self.spec is None else self.spec.explained(self._logits(A))

    def predicted(self, A: Tensor) -> Tensor:
        """Return the logits (N,K) of the probabilities."""
        return self._logits(A) if self.spec is None else self.spec.predicted(self._logits(A))

    def _logits(self, A: Tensor) -> Tensor:
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
        with torch.inference_mode(False), torch.enable_grad():  # the layer may run in inference mode
            leaves.append(A.detach().float().clone(memory_format=torch.contiguous_format).requires_grad_())
            copy = leaves[0].clone()
        torch.set_grad_enabled(True)
        return copy

    logits = _replaced(model, images, layer, leave)
    if not logits.requires_grad:  # earlier layers of the network run under no_grad
        leaves.clear()
        logits = _replaced(model, images, layer, leave, tracked=True)
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
        part = images[:1] if passes else images[owner]
        result = _replaced(model, part, layer, put)
        again = tracked and A.requires_grad and not result.requires_grad
        return _replaced(model, part, layer, put, tracked=True) if again else result

    return logits


def grid(model: Network, layer: str, size: tuple[int, int]) -> Grid:
    """Return the grid of a layer for inputs of ``size`` (H, W), without caching (``model.grid`` caches it).

    Computed by arithmetic, or by gradients for wrapped networks, whose ``extractor`` is an ``Extractor``. Raises as
    :func:`run` does.
    """
    part = Extractor(model, path(model, layer))
    if isinstance(model.extractor, TokensOf):
        A = _map(model, layer, grids.features(part, size, model.channels), size)
        return model.extractor.grid(size, (A.shape[-2], A.shape[-1]))
    if isinstance(model.extractor, Extractor):
        return probe_grid.grid(model, part, size, model.channels)
    return probe_grid.locator(part, model.channels)(size)


def _replaced(
    model: Network, images: Tensor, layer: str, replace: Callable[[Tensor], Tensor], tracked: bool = False
) -> Tensor:
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
        with evaluating(model), torch.set_grad_enabled(tracked), torch.compiler.set_stance("force_eager"):
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
