"""Wrap any network as a ``Classifier`` without changing it.

``observe`` records the outputs of the submodules for one image (``ForwardTrace``), ``find_model_spec`` detects features
and head in them (``ModelSpec``), and ``connect`` builds the classifier. If a linear layer returns the logits and its
input is the mean or maximum of a map, these are head and features, and class maps exist. Otherwise the features are the
last map on which the logits depend at every position, and the head is opaque.

``wrap`` does all of it for a module in Python. Networks given by name (``timm:NAME``) are in
``locus.backbones.external``.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from locus.backbones import grids, layers
from locus.backbones import pooling as poolings
from locus.backbones.classifier import Classifier, Head, normalised
from locus.backbones.grids import MOST_PREFIX, TokensOf, evaluating
from locus.backbones.layers import Extractor, ForeignHead, Step, submodule, until
from locus.backbones.pooling import AVG
from locus.backbones.tokens import SIDE, logits_of, noise, require_same_logits
from locus.core.errors import BadValueError, NotAvailableError
from locus.core.frames import Grid
from locus.core.user_code import ANYTHING

POOLINGS = ("AVG", "MAX")
"""Supported poolings between features and a linear head."""

NO_MAPS = (nn.Linear, nn.Dropout, nn.Identity, nn.AdaptiveAvgPool2d)
"""Modules whose output is never used as features."""
REACHED = 0.9
"""Minimum share of the positions of a map that must affect the logits."""

Locate = Callable[[tuple[int, int]], Grid]


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


@dataclass(frozen=True)
class ModelSpec:
    """Names of the submodules of a network that return A and the logits. JSON-able by ``dataclasses.asdict``."""

    features: str
    """Dotted name of the submodule with output A."""
    head: str | None
    """Dotted name of the linear layer after the pooling; None: the rest of the network is an opaque head."""
    pooling: str = "AVG"
    """Pooling between features and a named head."""
    rectified: bool = False
    """True if the network rectifies the submodule's output before pooling (DenseNet)."""
    patch: int = 0
    """Patch size in pixels if the output is tokens; 0 if it is a map."""
    prefix: int = 0
    """Number of tokens before the patches (class, registers)."""
    stages: int = 1
    """1 + number of patch-merging steps before the map; each step halves the sides."""

    def __str__(self) -> str:
        tokens = f", tokens of {self.patch}x{self.patch} pixels" if self.patch else ""
        rectified = ", rectified" if self.rectified else ""
        if self.head is None:
            return f"features {self.features!r}{tokens}; head: the rest of the network (opaque)"
        return f"features {self.features!r}{tokens}{rectified}; pooling {self.pooling}; head {self.head!r}"


def connect(module: nn.Module, spec: ModelSpec, channels: int, rescale: nn.Module | None = None) -> Classifier:
    """Build a classifier from ``module`` and its specification; ``channels``: those of its input images."""
    extractor: Any = Extractor(module, spec.features, spec.rectified)
    if spec.patch:
        extractor = Patches(module, spec.features, spec.patch, spec.prefix, spec.stages)
    if spec.head is None:
        return OpaqueHeadClassifier(extractor, spec.features, channels, rescale)
    head = Head(poolings.build(spec.pooling), submodule(module, spec.head))  # type: ignore[arg-type]
    locate = extractor.grid if spec.patch else lambda size: grids.grid(module, extractor, size, channels)
    return Classifier(extractor, head, channels=channels, locate=locate, rescale=rescale)


class Patches(TokensOf):
    """Third-party transformer up to its submodule ``features``, with patch tokens as a map."""

    def __init__(self, net: nn.Module, features: str, patch: int, prefix: int, stages: int) -> None:
        nn.Module.__init__(self)
        self.net: Any = net
        self.features, self.patch, self.prefix, self.stages = features, patch, prefix, stages

    def tokens(self, images: Tensor) -> Any:
        """Return the output of ``features`` for images (N,channels,H,W)."""
        return until(self.net, self.features)(images)


class OpaqueHeadClassifier(Classifier):
    """Third-party network with an opaque head (class token, several linear layers …).

    ``features`` returns the output of the submodule ``layer``; the engine treats the rest of the network as the head.
    ``class_maps`` and ``head`` raise ``NotAvailableError``.
    """

    def __init__(self, extractor: Any, layer: str, channels: int, rescale: nn.Module | None) -> None:
        super().__init__(extractor, ForeignHead(_refuse, None), channels=channels, rescale=rescale)  # type: ignore[arg-type]
        self.layer = layer

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N,K) of the network for images (N,3,H,W)."""
        network: Any = self.extractor.net if hasattr(self.extractor, "net") else self.extractor.module
        return logits_of(network(self._as_input(images)))

    def features(self, images: Tensor) -> Tensor:
        """Return the map of the layer (N,C,h,w) for images (N,3,H,W), without gradients."""
        return layers.run(self, images, str(self.layer))[0].detach()

    def grid(self, size: tuple[int, int], layer: str | None = None) -> Grid:
        """Return the grid of the features, or of another ``layer``, for inputs of ``size`` (H, W) pixels."""
        return super().grid(size, layer or self.layer)


def _refuse(A: Tensor) -> Tensor:
    raise NotAvailableError(
        "this network has an opaque head, so model.head is not available: use locus.benchmark.explain"
    )


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
        "give its name as the argument features, or pass callables to locus.backbones.wrap"
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


def wrap(
    module: nn.Module,
    features: str | Step | None = None,
    head: str | Step | None = None,
    num_classes: int | None = None,
    channels: int | None = None,
    grid: Locate | None = None,
    img_size: int | None = None,
    findings: Sequence[str] = (),
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Classifier:
    """Wrap ``module`` as a :class:`Classifier` with A = ``features(images)`` and logits = ``head(A)``.

    Args:
        module: the network; it is not changed.
        features: a callable (N,channels,H,W) -> (N,C,h,w), or the dotted name of the submodule with output A. Default:
            detected with an image of ``img_size`` pixels (``find_model_spec``).
        head: a callable (N,C,h,w) -> (N,K) logits, or the dotted name of a submodule. If it names an
            ``nn.Linear``, the head is the mean over positions followed by this layer, and the model has
            ``class_maps``, ``weight`` and ``bias``. Default: detected, else the rest of the network.
        num_classes: number of outputs, if ``head`` is a callable.
        channels: number of image channels. Default: the input channels of the first convolution.
        grid: function from the input's (H, W) to the grid of A. Default: measured with gradients
            (:mod:`locus.backbones.grids`).
        img_size: side of the input images in pixels. If None, layers are detected at the native size or, if that is
            unknown, at 224.
        findings: names of the outputs, in order.
        mean: mean of the grey values in [0, 1] in the images of ``module``, one number or one per channel. The model
            takes images as ``prepare`` returns them and converts them. Default: ``module`` takes them unchanged, with
            ImageNet's mean and standard deviation (of one grey channel: their means).
        std: standard deviation of these grey values; mean and std require each other.

    A must be the output of the last non-linearity. The DenseNets of torchvision and torchxrayvision apply a ReLU after
    their ``features``, so the name ``features`` would give a different map. Pass a callable, or omit both arguments::

        net = torchxrayvision.models.DenseNet(weights=None)
        model = wrap(net, features=lambda x: net.features(x).relu(), head="classifier")

    Raises:
        UnknownNameError: an unknown submodule. BadValueError: features and head do not give the logits of ``module``.
    """
    channels = channels or channels_of(module)
    if (mean is None) != (std is None):
        raise BadValueError("mean and std require each other: give both, or leave both out")
    rescale = None if mean is None or std is None else normalised(mean, std, channels)
    if features is None or head is None or (isinstance(features, str) and _gives_tokens(module, features, channels)):
        if not isinstance(features, str | None) or not isinstance(head, str | None):
            raise BadValueError("features and head must both be given if one of them is a callable")
        trace = observe(module, channels, img_size or native(module))
        model = connect(module, find_model_spec(module, trace, features, head), channels, rescale)
        model.name = type(module).__name__
        return model.set_outputs(findings, img_size)
    extractor = Extractor(module, features)
    locate = grid or (lambda size: grids.grid(module, extractor, size, channels))
    step: Any = submodule(module, head) if isinstance(head, str) else head
    is_linear = isinstance(step, nn.Linear)
    last: Any = Head(AVG(), step) if is_linear else ForeignHead(step, num_classes)
    model = Classifier(extractor, last, channels=channels, locate=locate)
    if is_linear:
        require_same_logits(module, model, step, channels)
    model.rescale = rescale
    model.name = type(module).__name__
    return model.set_outputs(findings, img_size)


def _gives_tokens(module: nn.Module, features: str, channels: int) -> bool:
    """Return whether a submodule returns tokens (N,T,C) or (N,h,w,C) for a noise image; False if the network fails."""
    submodule(module, features)
    try:
        trace = observe(module, channels, native(module))
    except BadValueError:
        return False
    return features in trace.outputs and trace.is_tokens(trace.outputs[features])


def native(module: nn.Module) -> int:
    """Return the native input side length of a network from timm or transformers, else 224."""
    size = getattr(module, "pretrained_cfg", {}).get("input_size", (0, 0, 0))[-1]
    size = size or getattr(getattr(module, "config", None), "image_size", 0) or SIDE
    return int(size[0] if isinstance(size, list | tuple) else size)


def channels_of(module: nn.Module) -> int:
    """Return the number of image channels of a network: those of its first convolution, else 3."""
    first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    return 3 if first is None else first.in_channels
