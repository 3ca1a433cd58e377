"""Detect the features and the head of an external network from the outputs of its submodules for one image.

If a linear layer returns the logits and its input is the mean or maximum of a map, these are head and features, and
class maps exist. Otherwise the features are the last map on which the logits depend at every position, and the head is
opaque.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from backbones import pooling as poolings
from backbones.forward_trace import ForwardTrace
from backbones.model_spec import POOLINGS, ModelSpec, Patches
from backbones.tokens import MOST_PREFIX
from backbones.unknown_network import submodule
from core.errors import BadValueError, NotAvailableError

NO_MAPS = (nn.Linear, nn.Dropout, nn.Identity, nn.AdaptiveAvgPool2d)
"""Modules whose output is never used as features."""
REACHED = 0.9
"""Minimum share of the positions of a map that must affect the logits."""


def find_model_spec(
    module: nn.Module, trace: ForwardTrace, features: str | None = None, head: str | None = None
) -> ModelSpec:
    """Find the specification of ``module`` from a recorded forward pass; ``features`` and ``head`` may be named.

    Raises ``BadValueError`` if the named layers do not fit, ``NotAvailableError`` if no map is found, and
    ``UnknownNameError`` for an unknown submodule.
    """
    for name in filter(None, (features, head)):
        submodule(module, name)
    candidates = list(_maps(module, trace, features))
    if spec := _pooled(trace, candidates, head):
        return spec
    if head is not None:
        raise BadValueError(
            f"the input of {head!r} is not the mean of {f'the map of {features!r}' if features else 'a map'}"
            f"{_hint(trace)}: leave head out, so that all layers after the features are the head"
        )
    return _deciding(trace, candidates, features)


def _maps(module: nn.Module, trace: ForwardTrace, features: str | None) -> Iterator[tuple[ModelSpec, Tensor]]:
    """Yield the maps (1,C,h,w) with more than one position, of submodules that run once, last first."""
    once = (name for name in reversed(trace.outputs) if name not in trace.repeated)
    for name in [features] if features else once:
        if name in trace.repeated:
            raise NotAvailableError(f"the submodule {name!r} runs several times in a forward pass: choose another one")
        if name not in trace.outputs:
            raise NotAvailableError(f"the submodule {name!r} does not return a tensor: choose another one")
        output = trace.outputs[name]
        if output.ndim and len(output) != 1:
            if features is None:
                continue
            raise NotAvailableError(f"{name!r} returns {len(output)} maps per image: choose one that returns one map")
        if features is None and isinstance(module.get_submodule(name), NO_MAPS):
            continue
        if output.ndim == 4 and not trace.is_tokens(output):
            if output.shape[-1] * output.shape[-2] > 1:
                yield _plain(module, name, output, trace), output
        elif (spec := _tokens(name, output, trace)) and (A := _as_map(output, spec, trace)) is not None:
            yield spec, A


def _plain(module: nn.Module, name: str, output: Tensor, trace: ForwardTrace) -> ModelSpec:
    """Return the specification of a map (1,C,h,w) of convolutions, or of tokens already arranged as a map."""
    shape = (output.shape[-2], output.shape[-1])
    mixed = any(isinstance(part, nn.LayerNorm) for part in module.modules())
    if not trace.patch or not mixed or shape not in trace.shapes:
        return ModelSpec(name, None)
    return ModelSpec(name, None, patch=trace.patch, stages=trace.shapes.index(shape) + 1)


def _tokens(name: str, output: Tensor, trace: ForwardTrace) -> ModelSpec | None:
    """Return the specification of tokens (1, prefix + h*w, C) or (1,h,w,C); None if the output is not tokens."""
    if not trace.patch or output.ndim not in (3, 4):
        return None
    for stages, (h, w) in enumerate(trace.shapes, start=1):
        prefix = 0 if output.ndim == 4 else output.shape[1] - h * w
        fits = tuple(output.shape[1:3]) == (h, w) if output.ndim == 4 else 0 <= prefix <= MOST_PREFIX
        if fits and h * w > 1:
            return ModelSpec(name, None, patch=trace.patch, prefix=prefix, stages=stages)
    return None


def _pooled(trace: ForwardTrace, candidates: list[tuple[ModelSpec, Tensor]], head: str | None) -> ModelSpec | None:
    """Find the linear layer that gives the logits and the map that it pools; the map's shortest name wins."""
    names = [head] if head else list(trace.linear)[-1:]
    for name in (name for name in names if name in trace.linear):
        taken = trace.linear[name][0]
        for spec, A in sorted(candidates, key=lambda item: item[0].features.count(".")):
            for rectified in (False, True):
                pooled_map = A.relu() if rectified else A
                if A.shape[1] == taken.shape[1] and (word := _pooling(pooled_map, taken)):
                    return ModelSpec(spec.features, name, word, rectified, spec.patch, spec.prefix, spec.stages)
    return None


def _pooling(A: Tensor, taken: Tensor) -> str | None:
    """Return the pooling of A that gives the input of the linear layer, up to rounding."""
    A, taken = A.detach(), taken.detach()
    scale = 1e-5 * float(taken.abs().max())
    return next((word for word in POOLINGS if float((poolings.build(word)(A) - taken).abs().max()) <= scale), None)


def _deciding(trace: ForwardTrace, candidates: list[tuple[ModelSpec, Tensor]], features: str | None) -> ModelSpec:
    """Return the last map that affects the logits at every position, or the named one if it does."""
    _refuse_probabilities(trace)
    parts = [trace.outputs[spec.features] for spec, _ in candidates]
    gradients = torch.autograd.grad(trace.logits.sum(), parts, allow_unused=True) if parts else ()
    for (spec, _), gradient in zip(candidates, gradients, strict=True):
        if gradient is not None and _reached(gradient, spec, trace) >= REACHED:
            return spec
    if features is not None:
        raise NotAvailableError(
            f"{features!r} is not a map, or the logits do not depend on all of its positions{_hint(trace)}: "
            "choose an earlier submodule, or leave features out, so that they are detected"
        )
    raise NotAvailableError(
        "found no submodule that returns a map (N, C, h, w) or patch tokens on which the logits depend: "
        "give its name as the argument features, or pass callables to backbones.wrap"
    )


def _reached(gradient: Tensor, spec: ModelSpec, trace: ForwardTrace) -> float:
    """Return the share of positions with a nonzero gradient of the logits."""
    gradient_map = _as_map(gradient, spec, trace) if spec.patch else gradient
    return 0.0 if gradient_map is None else float((gradient_map.abs().sum(1) > 0).float().mean())


def _as_map(output: Tensor, spec: ModelSpec, trace: ForwardTrace) -> Tensor | None:
    return Patches(nn.Identity(), "", spec.patch, spec.prefix, spec.stages).as_map(output, trace.size)


def _hint(trace: ForwardTrace) -> str:
    """Return a hint for networks that read a class token, in brackets."""
    return " (after the last block, a class token no longer depends on the patches)" if trace.patch else ""


def _refuse_probabilities(trace: ForwardTrace) -> None:
    if not trace.linear:
        return
    last = next(reversed(trace.linear.values()))[1]
    if last.shape == trace.logits.shape:
        for word, same in (("sigmoid", last.sigmoid()), ("softmax", last.softmax(1))):
            if torch.allclose(trace.logits, same, atol=1e-6) and not torch.allclose(last, same, atol=1e-6):
                raise BadValueError(f"the network ends in a {word}: it must return its logits")
