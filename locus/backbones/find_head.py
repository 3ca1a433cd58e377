"""Find the feature map and the head of any network from forward passes, without changing it.

``observe`` records the outputs of the submodules for one image (``ForwardTrace``), ``find_model_spec`` detects features
and head in them (``ModelSpec``). If a linear layer returns the logits and its input is the mean or maximum of a map,
these are head and features. The outputs of the network may be in another order, fewer, or the probabilities of those of
the layer (``_confirmed``). Otherwise the features are the last map on which the logits depend at every position, and
the head is opaque. Then the logits must not change with the image while this map is held (``_require_all_paths``).
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from locus.backbones import layers
from locus.backbones.classifier import require_names
from locus.backbones.layers import (
    ACTIVATIONS,
    ModelSpec,
    Step,
    logits_of,
    noise,
    submodule,
    unchanged,
)
from locus.backbones.pooling import AVG, MAX
from locus.core.errors import BadValueError, LocusError, NotAvailableError, one_line
from locus.core.user_code import ANYTHING

Names = Sequence[str] | Mapping[str, int]
UNUSED_OUTPUT = "-"
"""Name of an output that is not used."""
OUTPUTS, TARGETS = ("sigmoid", "softmax"), ("logit", "difference")
"""Meanings of the outputs, and what is explained: a logit, or a logit less the mean of the others."""
POOLINGS = {"AVG": AVG(), "MAX": MAX()}
"""Supported poolings between features and a linear head."""

NO_MAPS = (nn.Linear, nn.Dropout, nn.Identity, nn.AdaptiveAvgPool2d)
"""Modules whose output is never used as features."""
MIN_REACHED_SHARE = 0.9
"""Minimum share of the positions of a map that must affect the logits."""
CLASS_TOKEN_EFFECT = 4
"""Effect of a class token on the logits, as a multiple of that of a patch, above which it is a path of its own."""


@dataclass
class ForwardTrace:
    """Outputs of the submodules of a network for one image."""

    module: nn.Module
    image: Tensor
    """(1,channels,H,W)."""
    outputs: dict[str, Tensor] = field(default_factory=dict)
    """Submodule -> output, in the order of completion."""
    repeated: set[str] = field(default_factory=set)
    """Submodules that ran more than once; their output is that of the last call."""
    linear: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    """Linear layer -> its input and output."""
    patch: int = 0
    """Patch size of the first convolution; 0 if it does not cut patches."""
    logits: Tensor = field(default_factory=lambda: torch.empty(0))
    change: Tensor = field(default_factory=lambda: torch.empty(0))
    """Logits of a second image less ``logits``; unlike ``logits``, they do not have the bias."""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the image."""
        return self.image.shape[-2], self.image.shape[-1]

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """(h, w) of the patches at each stage; each stage halves the previous one, rounded up.

        >>> ForwardTrace(nn.Identity(), torch.zeros(1, 3, 224, 224), patch=16).shapes
        [(14, 14), (7, 7), (4, 4), (2, 2), (1, 1)]
        """
        shapes = [(self.size[0] // self.patch, self.size[1] // self.patch)]
        while min(shapes[-1]) > 1:
            shapes.append(((shapes[-1][0] + 1) // 2, (shapes[-1][1] + 1) // 2))
        return shapes

    def is_tokens(self, output: Tensor) -> bool:
        """Return True if a tensor is (1,T,C), or (1,h,w,C) as in Swin and not (1,C,h,w)."""
        if output.ndim != 4:
            return output.ndim == 3
        patches = self.shapes if self.patch else []
        return tuple(output.shape[1:3]) in patches and tuple(output.shape[2:]) not in patches

    def run(self, image: Tensor, hooks: Mapping[str, Any]) -> Tensor:
        """Return the logits of an image in evaluation mode, with forward ``hooks`` on submodules."""
        with unchanged(self.module, image.device), layers.hooked(self.module, hooks):
            try:
                return logits_of(
                    self.module(image.clone())
                )  # the network may change its input in place
            except BadValueError:
                raise
            except ANYTHING as error:
                raise BadValueError(
                    f"the network fails for an image of {'x'.join(map(str, image.shape[1:]))} "
                    f"({type(error).__name__}: {one_line(error)}): set its channels and img_size"
                ) from error

    def record(
        self, name: str, part: nn.Module, inputs: tuple[Any, ...], output: Any
    ) -> Tensor | None:
        """Record the output of a submodule, in a forward hook.

        Args:
            name: the dotted name of the submodule.
            part: the submodule.
            inputs: its positional inputs.
            output: its output; only a tensor is recorded.

        Returns:
            A copy of the output, with which the forward pass continues; None (unchanged) if it is no tensor.
        """
        if isinstance(part, nn.Conv2d) and not self.outputs and part.kernel_size == part.stride:
            self.patch = part.kernel_size[0]
        if not isinstance(output, Tensor):
            return None
        if isinstance(part, nn.Linear) and output.ndim == 2:
            self.linear[name] = inputs[0].clone(), output.clone()
        if self.outputs.pop(name, None) is not None:
            self.repeated.add(name)
        with torch.inference_mode(False), torch.enable_grad():  # layers may run under no_grad
            if not output.requires_grad and output.is_floating_point():
                output = output.clone().requires_grad_()
            self.outputs[name] = output
            return output.clone()  # protects the recorded tensor from in-place operations


@torch.enable_grad()
@torch.inference_mode(False)
def observe(module: nn.Module, channels: int, side: int | None) -> ForwardTrace:
    """Run one image of noise through ``module`` in evaluation mode, with gradients enabled.

    Raises ``BadValueError`` for a network that does not accept the image or answers differently in another call or
    batch (``require_stable``), TorchScript, exported programs, and lazy layers.
    """
    if any(isinstance(part, torch.jit.ScriptModule) for part in module.modules()) or _is_exported(
        module
    ):
        raise BadValueError(
            "the network is exported (TorchScript or torch.export) and has no layers to explain: use the nn.Module it "
            "was made from"
        )
    if int8 := [
        name
        for name, part in module.named_modules()
        if ".quantized." in f"{type(part).__module__}."
    ]:
        raise BadValueError(
            f"the network has int8 layers ({int8[0]!r}), which pass on no gradient: use it before it is quantised"
        )
    if any(isinstance(weight, UninitializedParameter) for weight in module.parameters()):
        raise BadValueError(
            "the network has lazy layers without weights: run it on one image before you return it"
        )
    trace = ForwardTrace(module, noise(module, channels, side).requires_grad_())
    hooks = {
        name: functools.partial(trace.record, name) for name, _ in module.named_modules() if name
    }
    trace.logits = trace.run(trace.image, hooks)
    other = require_stable(lambda images: trace.run(images, {}), trace.image.detach(), trace.logits)
    trace.change = (other - trace.logits).detach()
    if trace.logits.dtype != trace.image.dtype:
        reason = f"its weights are {trace.image.dtype}, but its logits are {trace.logits.dtype}"
        raise BadValueError(f"the network changes the precision ({reason}): not supported")
    return trace


def _is_exported(module: nn.Module) -> bool:
    """Return True for a program of torch.export, which has no evaluation mode."""
    try:
        with layers.evaluating(module):
            return False
    except NotImplementedError:
        return True


def require_stable(network: Step, image: Tensor, logits: Tensor) -> Tensor:
    """Return the logits of a second image.

    Raises ``BadValueError`` if ``network`` gives other ``logits`` (1,K) for ``image`` in a batch of two, or in each
    call. A single pass asks both; a second one finds the reason.
    """
    with torch.no_grad():
        pair = network(torch.cat([image, _ramp(image)]))
        if same_logits(pair[:1], logits):
            return pair[1:]
        again = network(image)
    if not same_logits(again, logits):
        raise BadValueError(
            "the network gives other logits each time for the same image, also in evaluation mode: switch off what is "
            "random or counts calls in its forward (such as F.dropout without training=self.training, or a random crop)"
        )
    raise BadValueError(
        "the network gives an image other logits in a batch of two than alone: let no image depend on the others (such "
        "as by batch norm without running statistics)"
    )


def same_logits(first: Tensor, second: Tensor, scale: Tensor | None = None) -> bool:
    """Return True if two sets of logits are equal up to the rounding of a whole network; NaN equals NaN.

    ``scale``: logits whose largest value sets the tolerance. Default: ``second``.
    """
    first, second, scale = (
        part.detach() for part in (first, second, second if scale is None else scale)
    )
    if first.shape != second.shape:
        return False
    eps = 10 * max(
        torch.finfo(part.dtype).eps for part in (first, second)
    )  # one is bfloat16 after autocast in forward
    tolerance = max(1e-4, eps) * float(scale.nan_to_num().abs().max())
    kind = torch.promote_types(first.dtype, second.dtype)
    return torch.allclose(first.to(kind), second.to(kind), rtol=eps, atol=tolerance, equal_nan=True)


@torch.no_grad()
def attempt(module: nn.Module, network: Step, images: Tensor) -> Tensor | None:
    """Return the logits of ``network``, made of ``module``, in evaluation mode.

    Returns None if it does not return logits or rejects the images.
    """
    with unchanged(module, images.device):
        try:
            return network(images)
        except (LocusError, *layers.INPUT_ERRORS):
            return None


def require_same(ours: Tensor | None, theirs: Tensor, advice: str) -> None:
    """Raise ``BadValueError`` if features and head do not give the logits ``theirs``; other shapes are not compared."""
    if ours is None or ours.shape != theirs.shape:
        return
    if not any(same_logits(values, theirs) for values in (ours, ours.sigmoid(), ours.softmax(1))):
        raise BadValueError(
            "the head of the features does not give the logits of the network (logits up to "
            f"{float(theirs.abs().max()):.2g} differ by {float((ours - theirs).abs().max()):.2g}): {advice}"
        )


def read_spec(
    trace: ForwardTrace,
    parts: tuple[str | None, str | None],
    findings: Names,
    where: str,
    meaning: tuple[str, str],
) -> tuple[ModelSpec, tuple[str, ...]]:
    """Return the specification of a network from one traced image, and the names of the outputs that are used.

    Args:
        trace: the forward pass of one image.
        parts: names of the features and of the head; None for each that is found.
        findings: one name per output, or name -> output.
        where: description of the network in errors.
        meaning: of the outputs, from ``OUTPUTS``, and of what is explained, from ``TARGETS``.

    Returns:
        The specification, and the names of the used outputs.

    Raises:
        LocusError: see ``select_outputs`` and ``find_model_spec``.
    """
    names, columns = select_outputs(findings, trace.logits, where)
    spec = find_model_spec(trace, *parts)
    if columns is not None and spec.outputs is not None:
        columns = tuple(spec.outputs[column] for column in columns)
    return with_outputs(spec, columns, meaning, trace.logits.shape[1]), names


def with_outputs(
    spec: ModelSpec, columns: tuple[int, ...] | None, meaning: tuple[str, str], count: int | None
) -> ModelSpec:
    """Return ``spec`` with some columns of the outputs and their meaning.

    Args:
        spec: the description of the network's map and head.
        columns: columns of the outputs to use, in the order of the findings; None: those of ``spec``.
        meaning: a word of ``OUTPUTS`` (``sigmoid``, ``softmax``) and one of ``TARGETS`` (``logit``, ``difference``).
        count: number of outputs of the network; None if it is unknown.

    Returns:
        A copy of ``spec``.

    Raises:
        BadValueError: an unknown word, or a meaning that requires two outputs of a network with one.
    """
    for word, value, allowed in zip(
        ("outputs", "target"), meaning, (OUTPUTS, TARGETS), strict=True
    ):
        if value not in allowed:
            raise BadValueError(f"{word} is {value!r}: use {' or '.join(allowed)}")
    if count == 1 and meaning != ("sigmoid", "logit"):
        raise BadValueError(
            "the network has one output: outputs=softmax and target=difference require two or more"
        )
    softmax, difference = meaning[0] == "softmax", meaning[1] == "difference"
    return replace(spec, outputs=columns or spec.outputs, softmax=softmax, difference=difference)


def find_model_spec(
    trace: ForwardTrace, features: str | None = None, head: str | None = None
) -> ModelSpec:
    """Find the specification of a network from a recorded forward pass; ``features`` and ``head`` may be named.

    ``features`` joined by ``+`` are the maps of several paths, which together must determine the logits. Raises
    ``BadValueError`` if the named layers do not fit, ``NotAvailableError`` if no map is found, and ``UnknownNameError``
    for an unknown submodule.
    """
    names = features.split("+") if features else []
    for name in filter(None, (*names, head)):
        submodule(trace.module, name)
    candidates = list(_maps(trace, names))
    if len(names) > 1:
        return _joined(trace, [spec for spec, _ in candidates], head)
    pooled = list(_pooled(trace, candidates, head))
    if spec := next(filter(None, (_confirmed(trace, spec) for spec in pooled)), None):
        return spec
    if head is not None and pooled:
        raise BadValueError(
            f"other layers than {head!r} contribute to the outputs of the network: leave head out, so that all layers "
            "after the features are the head"
        )
    if head is not None:
        raise BadValueError(
            f"the input of {head!r} is not the mean of {f'the map of {features!r}' if features else 'a map'}"
            f"{_hint(trace)}: leave head out, so that all layers after the features are the head"
        )
    return _deciding(trace, candidates, features)


def select_outputs(
    named: Names, logits: Tensor, where: str = "findings"
) -> tuple[tuple[str, ...], tuple[int, ...] | None]:
    """Return the names of the outputs that are used, and their columns in ``logits`` (1,K); None for all columns.

    ``named``: one name per output, ``-`` for an output that is not used, or name -> column; ``where``: its source.

    Raises ``BadValueError`` for another number of names, a column that does not exist, and outputs that are NaN.

    >>> select_outputs(["-", "Mass", "Nodule"], torch.zeros(1, 3))
    (('Mass', 'Nodule'), (1, 2))
    """
    count = logits.shape[1]
    if isinstance(named, Mapping):
        names, columns = (*named,), (*named.values(),)
    else:
        require_names(named)
        if len(named) not in (0, count):
            example = (
                "--findings Effusion=3 Mass=5"
                if where != "findings"
                else "{'Effusion': 3, 'Mass': 5}"
            )
            raise BadValueError(
                f"the network has {count} outputs, but {where} has {len(named)} names: give one name per output, in "
                f"order, with {UNUSED_OUTPUT!r} for outputs to skip, or a name map ({example})"
            )
        names = tuple(name for name in named if name != UNUSED_OUTPUT)
        columns = (
            tuple(k for k, name in enumerate(named) if name != UNUSED_OUTPUT)
            if named
            else (*range(count),)
        )
    if named and not columns:
        raise BadValueError(f"{where} skips all {count} outputs of the network: name at least one")
    if wrong := [column for column in columns if column not in range(count)]:
        raise BadValueError(
            f"{where} names the output {wrong[0]}: the outputs of the network are 0 to {count - 1}"
        )
    if len({*columns}) < len(columns):
        raise BadValueError(f"{where} names an output twice: give each finding its own output")
    if missing := [column for column in columns if not bool(logits[0, column].isfinite())]:
        raise BadValueError(
            f"the outputs {' '.join(map(str, missing))} of the network are NaN or infinite for an image of noise: skip "
            f"them with {UNUSED_OUTPUT!r} in {where}"
        )
    return names, None if columns == (*range(count),) else columns


def _maps(trace: ForwardTrace, features: list[str]) -> Iterator[tuple[ModelSpec, Tensor]]:
    """Yield the maps (1,C,h,w) with more than one position, of submodules that run once, last first."""
    once = (name for name in reversed(trace.outputs) if name not in trace.repeated)
    for name in features or once:
        if name in trace.repeated:
            raise NotAvailableError(
                f"the submodule {name!r} runs several times in a forward pass: choose another one"
            )
        if name not in trace.outputs:
            raise NotAvailableError(
                f"the submodule {name!r} does not return a tensor: choose another one"
            )
        output = trace.outputs[name]
        if output.ndim and len(output) != 1:
            if not features:
                continue
            raise NotAvailableError(
                f"{name!r} returns {len(output)} maps per image: choose one that returns one map"
            )
        if not features and isinstance(trace.module.get_submodule(name), NO_MAPS):
            continue
        if output.ndim == 4 and not trace.is_tokens(output):
            if output.shape[-1] * output.shape[-2] > 1:
                yield _plain(name, output, trace), output
        elif (spec := _tokens(name, output, trace)) and (
            A := spec.as_map(output, trace.size)
        ) is not None:
            yield spec, A


def _plain(name: str, output: Tensor, trace: ForwardTrace) -> ModelSpec:
    """Return the specification of a map (1,C,h,w) of convolutions, or of tokens already arranged as a map."""
    shape = (output.shape[-2], output.shape[-1])
    mixed = any(isinstance(part, nn.LayerNorm) for part in trace.module.modules())
    if not trace.patch or not mixed or shape not in trace.shapes:
        return ModelSpec(name, None)
    return ModelSpec(name, None, patch=trace.patch, stages=trace.shapes.index(shape) + 1)


def _tokens(name: str, output: Tensor, trace: ForwardTrace) -> ModelSpec | None:
    """Return the specification of tokens (1, prefix + h*w, C) or (1,h,w,C); None if the output is not tokens."""
    if not trace.patch or output.ndim not in (3, 4):
        return None
    for stages, (h, w) in enumerate(trace.shapes, start=1):
        prefix = 0 if output.ndim == 4 else output.shape[1] - h * w
        fits = (
            tuple(output.shape[1:3]) == (h, w)
            if output.ndim == 4
            else 0 <= prefix <= layers.MAX_PREFIX_TOKENS
        )
        if fits and h * w > 1:
            return ModelSpec(name, None, patch=trace.patch, prefix=prefix, stages=stages)
    return None


def _pooled(
    trace: ForwardTrace, candidates: list[tuple[ModelSpec, Tensor]], head: str | None
) -> Iterator[ModelSpec]:
    """Yield each linear layer with the map that it pools, the last layer first; the map's shortest name wins."""
    once = [name for name in reversed(trace.linear) if name not in trace.repeated]
    if head:
        once = [name for name in once if name == head]
    shortest_first = sorted(candidates, key=lambda candidate: candidate[0].features.count("."))
    for name in once:
        spec = _pooled_map(shortest_first, trace.linear[name][0])
        if spec is not None:
            yield replace(spec, head=name)


def _pooled_map(candidates: list[tuple[ModelSpec, Tensor]], pooled: Tensor) -> ModelSpec | None:
    """Return the first of the maps whose pooling is ``pooled`` (1,C), the input of a linear layer."""
    for activation, function in ACTIVATIONS.items():
        for spec, A in candidates:
            if pooled.shape != (1, A.shape[1]):
                continue
            pooling = _pooling(function(A), pooled)
            if pooling:
                return replace(spec, pooling=pooling, activation=activation)
    return None


@torch.enable_grad()
@torch.inference_mode(False)
def _confirmed(trace: ForwardTrace, spec: ModelSpec) -> ModelSpec | None:
    """Return ``spec`` with the rows of its head that give the outputs of the network; None if there are no such rows.

    The network runs on two images with the output of the head replaced by the same random numbers, which are as large
    as the output, so that another path is not lost in rounding. Each output of the network must increase with exactly
    one number, whatever the image: after a sigmoid, in another order, or fewer. The head must also pool the same map of
    the second image.
    """
    head, other = str(spec.head), _ramp(trace.image)
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(trace.linear[head][1].shape, generator=generator).to(trace.logits)
    seen: dict[str, Tensor] = {}

    def run(image: Tensor, values: Tensor) -> Tensor:
        return trace.run(
            image, {spec.features: keep, head: lambda part, inputs, output: put(inputs[0], values)}
        )

    def keep(part: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        seen["A"] = output
        return output.clone()

    def put(pooled: Tensor, values: Tensor) -> Tensor:
        seen["pooled"] = pooled.clone()
        return values.clone()

    small = numbers * trace.linear[head][1].abs().max().to(numbers)
    first = run(trace.image.detach(), numbers)
    of_image, of_other = (run(image, small) for image in (trace.image.detach(), other))
    A = spec.as_map(seen["A"], trace.size)
    if not same_logits(of_image, of_other, trace.change) or A is None:
        return None
    if _pooling(ACTIVATIONS[spec.activation](A), seen["pooled"]) != spec.pooling:
        return None
    if any(
        same_logits(first, values)
        for values in (numbers, numbers.softmax(1), numbers.log_softmax(1))
    ):
        return spec
    leaves = [(sign * numbers).requires_grad_() for sign in (1, -1)]
    runs = [(run(other, leaf), leaf) for leaf in leaves]
    rows = _increasing(runs)
    falling = _increasing([(-result, leaf) for result, leaf in runs])
    _refuse_changed_logits(head, runs, rows, falling)
    if rows is None:
        return None
    return spec if rows == (*range(numbers.shape[1]),) else replace(spec, outputs=rows)


def _refuse_changed_logits(
    head: str,
    runs: list[tuple[Tensor, Tensor]],
    rows: tuple[int, ...] | None,
    falling: tuple[int, ...] | None,
) -> None:
    """Raise ``BadValueError`` if outputs (1,K) are neither those of the last layer (1,J) nor their probabilities.

    ``rows``: the number with which alone each output increases, ``falling``: decreases. Outputs that decrease are
    refused if they are between 0 and 1 (1 - sigmoid); others are logits with the opposite sign.
    """
    (first, numbers), (second, _) = runs
    used = first.isfinite() & (
        first != second
    )  # a finding that the network does not predict has a constant
    outputs = first[used]
    changed = falling is not None and bool(
        used.any() and (outputs >= 0).all() and (outputs <= 1).all()
    )
    if rows is not None:
        readings = (numbers, numbers.sigmoid(), numbers.softmax(1), numbers.log_softmax(1))
        changed = not any(same_logits(outputs, values[:, list(rows)][used]) for values in readings)
    if changed:
        raise BadValueError(
            f"the network changes the outputs of its last linear layer {head!r} (by a temperature, an added constant, "
            "1 - sigmoid or the like): let it return the outputs of that layer"
        )


def _ramp(image: Tensor) -> Tensor:
    """Return an image of the same shape that becomes brighter towards its lower right corner."""
    y, x = (
        torch.linspace(-1, 1, side, device=image.device, dtype=image.dtype)
        for side in image.shape[-2:]
    )
    return (y[:, None] + x).expand(image.shape).contiguous()


def _increasing(runs: list[tuple[Tensor, Tensor]]) -> tuple[int, ...] | None:
    """Return, for each output, the number with which alone it increases; None if there is none or more than one.

    ``runs`` have outputs (1,K) and the numbers (1,J). An output that is constant or NaN, of a finding that the network
    does not predict, keeps its position.
    """
    outputs, numbers = runs[0]
    if not all(result.requires_grad for result, _ in runs):
        return None
    rows = []
    for k in range(outputs.shape[1]):
        slopes = [
            torch.autograd.grad(result[0, k], leaf, retain_graph=True, materialize_grads=True)[0][
                0
            ].nan_to_num()
            for result, leaf in runs
        ]
        columns = (
            {int(j) for slope in slopes for j in slope.nonzero()}
            if outputs[0, k].isfinite()
            else set[int]()
        )
        falls = any((slope < 0).any() for slope in slopes)
        if falls or len(columns) > 1 or not (columns or outputs.shape == numbers.shape):
            return None
        rows.append(columns.pop() if columns else k)
    return tuple(rows)


def _pooling(A: Tensor, taken: Tensor) -> str | None:
    """Return the pooling of A that gives the input of the linear layer, up to rounding."""
    A, taken = A.detach(), taken.detach()
    scale = 1e-5 * float(taken.abs().max())
    return next(
        (word for word, pool in POOLINGS.items() if float((pool(A) - taken).abs().max()) <= scale),
        None,
    )


def _deciding(
    trace: ForwardTrace, candidates: list[tuple[ModelSpec, Tensor]], features: str | None
) -> ModelSpec:
    """Return the last map that affects the logits at every position, or the named one if it does."""
    _refuse_probabilities(trace)
    candidates = candidates if features else _before_class_maps(trace, candidates)
    parts = [trace.outputs[spec.features] for spec, _ in candidates]
    logits = trace.logits[trace.logits.isfinite()].sum()
    unknown = [
        name
        for name, output in trace.outputs.items()
        if not features and _is_unknown(name, output, trace)
    ]
    gradients = _gradients(logits, [*parts, *(trace.outputs[name] for name in unknown)])
    joined = False
    for (spec, _), gradient in zip(candidates, gradients, strict=False):
        reached = 0.0 if gradient is None else _reached(gradient, spec, trace)
        if reached >= MIN_REACHED_SHARE or (reached > 0 and _reaches_everywhere(trace, spec)):
            if features is None and spec.prefix and _reads_class_tokens(trace, spec):
                joined = True
                continue
            if joined and not _have_all_paths(trace, [spec]):
                continue
            used = [
                name
                for name, G in zip(unknown, gradients[len(parts) :], strict=True)
                if G is not None and G.any()
            ]
            _refuse_tokens(trace, spec.features, used)
            if features is None:
                _require_all_paths(trace, [spec])
            return spec
    if candidates and not any(gradient is not None and gradient.any() for gradient in gradients):
        detached = _reaches_everywhere(trace, candidates[0][0])
        reason = (
            "some layers detach their output"
            if detached
            else "its last layer may be all zero: load its weights"
        )
        raise NotAvailableError(
            "the outputs of this network pass on no gradient to its layers for an image of noise "
            f"({reason}): pass callables to locus.wrap, or choose another network"
        )
    if features is not None:
        raise NotAvailableError(
            f"{features!r} is not a map, or the logits do not depend on all of its positions{_hint(trace)}: "
            "choose an earlier submodule, or leave features out, so that they are detected"
        )
    raise NotAvailableError(
        "found no submodule that returns a map (N, C, h, w) or patch tokens on which the logits depend: "
        "give its name as the argument features, or pass callables to locus.backbones.wrap"
    )


def _joined(trace: ForwardTrace, paths: list[ModelSpec], head: str | None) -> ModelSpec:
    """Return the specification of a network with several paths, one map each; its head is opaque."""
    names = "+".join(spec.features for spec in paths)
    if (
        head is not None
        or len({(spec.patch, spec.prefix) for spec in paths}) > 1
        or len(paths) < names.count("+") + 1
    ):
        raise BadValueError(
            f"{names!r} joins several maps: name at least two maps of one kind, and leave head out"
        )
    _require_all_paths(trace, paths)
    return replace(paths[0], features=names, stages=max(spec.stages for spec in paths))


def _require_all_paths(trace: ForwardTrace, paths: list[ModelSpec]) -> None:
    """Raise ``NotAvailableError`` if the logits change with the image while the maps of ``paths`` are held.

    Class tokens before the patches are held, too: they gather what the patches of earlier blocks said.
    """
    held = {spec.features for spec in paths}
    prefix, width = paths[0].prefix, trace.outputs[paths[0].features].shape[-1]
    once = {name: output for name, output in trace.outputs.items() if name not in trace.repeated}
    tokens = {
        name for name, output in once.items() if output.ndim == 3 and output.shape[-1] == width
    }
    second = ForwardTrace(trace.module, _ramp(trace.image).requires_grad_(), patch=trace.patch)

    def hold(name: str, part: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        if name in held:
            return trace.outputs[name].detach().clone()
        if prefix and name in tokens:
            output = torch.cat([trace.outputs[name][:, :prefix].detach(), output[:, prefix:]], 1)
        return second.record(name, part, inputs, output)

    with torch.enable_grad(), torch.inference_mode(False):
        logits = second.run(
            second.image,
            {
                name: functools.partial(hold, name)
                for name, _ in trace.module.named_modules()
                if name
            },
        )
        if same_logits(logits, trace.logits, trace.change):
            return
        others = [
            name
            for name in second.outputs
            if not any(f"{path}.".startswith(f"{name}.") for path in held)
        ]
        gradients = _gradients(
            logits[logits.isfinite()].sum(), [second.outputs[name] for name in others]
        )
    used = [name for name, G in zip(others, gradients, strict=True) if G is not None and G.any()]
    names, maps = "+".join(sorted(held)), [name for name in used if second.outputs[name].ndim > 2]
    other = repr(maps[-1]) if maps else "the image itself"
    alone = f"--features {names} if this path alone is meant, or " if len(held) == 1 else ""
    raise NotAvailableError(
        f"the logits also depend on {other}, not only on the map of {names!r}: write {alone}the maps of all paths, "
        f"--features {names}+{maps[-1] if maps else 'NAME'}"
    )


def _have_all_paths(trace: ForwardTrace, paths: list[ModelSpec]) -> bool:
    """Return True if ``_require_all_paths`` accepts the maps of ``paths``."""
    try:
        _require_all_paths(trace, paths)
    except NotAvailableError:
        return False
    return True


def _reached(gradient: Tensor, spec: ModelSpec, trace: ForwardTrace) -> float:
    """Return the share of positions with a nonzero gradient of the logits."""
    gradient_map = spec.as_map(gradient, trace.size)
    return 0.0 if gradient_map is None else float((gradient_map.abs().sum(1) > 0).float().mean())


def _gradients(logits: Tensor, parts: list[Tensor]) -> list[Tensor | None]:
    """Return the gradients of the logits; infinite where autograd fails because layers run again (checkpoints)."""
    if not parts or not logits.requires_grad:
        return [None] * len(parts)
    try:
        return list(torch.autograd.grad(logits, parts, allow_unused=True))
    except RuntimeError:
        return [_one_position(part) for part in parts]


def _one_position(part: Tensor) -> Tensor:
    """Return a gradient that leaves open which positions the logits depend on."""
    gradient = torch.zeros_like(part)
    gradient.flatten(1)[:, -1] = 1
    return gradient


def _is_unknown(name: str, output: Tensor, trace: ForwardTrace) -> bool:
    """Return True for tokens (1,T,C) of several positions that are not those of patches."""
    has_positions = output.ndim == 3 and len(output) == 1 and min(output.shape[1:]) > 1
    return has_positions and _tokens(name, output, trace) is None


def _refuse_tokens(trace: ForwardTrace, features: str, used: list[str]) -> None:
    """Raise ``NotAvailableError`` if layers after ``features`` return tokens whose positions are unknown."""
    names = [*trace.outputs]
    later = [name for name in used if names.index(name) > names.index(features)]
    if later:
        shape = tuple(trace.outputs[later[-1]].shape)
        raise NotAvailableError(
            f"the last stage of this network returns tokens whose positions are unknown ({later[-1]!r}: {shape}): name "
            f"an earlier map with --features, such as {features!r}"
        )


def _before_class_maps(
    trace: ForwardTrace, candidates: list[tuple[ModelSpec, Tensor]]
) -> list[tuple[ModelSpec, Tensor]]:
    """Return the candidates without class maps: one map per output, made by the last convolution."""
    count = trace.logits.shape[1]
    if any(output.shape[1] == count for _, output in trace.linear.values()):
        return candidates
    for n, (spec, A) in enumerate(candidates):
        if isinstance(trace.module.get_submodule(spec.features), nn.Conv2d) and A.shape[1] == count:
            earlier = [
                (other, B) for other, B in candidates[:n] if B.shape[1] != count
            ] + candidates[n + 1 :]
            return earlier or candidates
    return candidates


def _reaches_everywhere(trace: ForwardTrace, spec: ModelSpec) -> bool:
    """Return True if NaN at any one of five positions of the map makes outputs NaN.

    Unlike a gradient, this does not depend on the positions that a maximum selects in one image.
    """
    finite = trace.logits.isfinite()
    A = spec.as_map(trace.outputs[spec.features], trace.size)
    h, w = (0, 0) if A is None else A.shape[-2:]
    for y, x in {(0, 0), (0, w - 1), (h - 1, 0), (h - 1, w - 1), (h // 2, w // 2)}:

        def put(
            part: nn.Module, inputs: tuple[Any, ...], output: Tensor, y: int = y, x: int = x
        ) -> Tensor:
            A: Any = spec.as_map(output.clone(), trace.size)
            A[:, :, y, x] = torch.nan
            return spec.as_tokens(A, output)

        with torch.no_grad():
            logits = trace.run(trace.image.detach(), {spec.features: put})
        if not logits[finite].isnan().any():
            return False
    return True


@torch.enable_grad()
@torch.inference_mode(False)
def _reads_class_tokens(trace: ForwardTrace, spec: ModelSpec) -> bool:
    """Return True if the head reads class tokens that do not depend on the patches of the map.

    Class tokens gather patches in blocks after the map. Where no block follows, they are a path of their own, as in a
    head that joins the class token and the mean of the patches. In the mean of all tokens, they count as one position.
    """
    shape = trace.outputs[spec.features].shape
    last = [name for name, output in trace.outputs.items() if output.shape == shape][-1]
    seen: dict[str, Tensor] = {}

    def remove_patches(part: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        return torch.cat(
            [output[:, : spec.prefix], torch.full_like(output[:, spec.prefix :], torch.nan)], 1
        )

    def see(part: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        seen["tokens"] = output.detach().clone().requires_grad_()
        return seen["tokens"].clone()

    if last != spec.features:
        trace.run(trace.image.detach(), {spec.features: remove_patches, last: see})
        if not seen["tokens"][:, : spec.prefix].isfinite().all():
            return False
    logits = trace.run(trace.image.detach(), {last: see})
    (gradient,) = _gradients(logits[logits.isfinite()].sum(), [seen["tokens"]])
    if gradient is None:
        return False
    effect = gradient[0].norm(dim=-1)  # (T,)
    return bool(effect[: spec.prefix].max() > CLASS_TOKEN_EFFECT * effect[spec.prefix :].mean())


def _hint(trace: ForwardTrace) -> str:
    """Return a hint for networks that read a class token, in brackets."""
    return (
        " (after the last block, a class token no longer depends on the patches)"
        if trace.patch
        else ""
    )


def _refuse_probabilities(trace: ForwardTrace) -> None:
    if not trace.linear:
        return
    last = next(reversed(trace.linear.values()))[1]
    if last.shape == trace.logits.shape:
        for word, same in (("sigmoid", last.sigmoid()), ("softmax", last.softmax(1))):
            if torch.allclose(trace.logits, same, atol=1e-6) and not torch.allclose(
                last, same, atol=1e-6
            ):
                raise BadValueError(f"the network ends in a {word}: it must return its logits")
