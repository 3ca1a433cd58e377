"""Wrap any network as a ``Classifier`` without changing it.

``wrap`` does it for a module in Python: ``locus.backbones.find_head`` finds features and head, and ``wire`` builds the
classifier and checks its logits. ``select_outputs`` reads which outputs are used and their names. Networks given by
name (``timm:NAME``) are opened by ``locus.benchmark.opening``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from locus.backbones import layers, probe_grid
from locus.backbones import pooling as poolings
from locus.backbones.classifier import Classifier, Head, normalised
from locus.backbones.find_head import ForwardTrace, ModelSpec, Patches, find_model_spec, head_rows, observe
from locus.backbones.grids import evaluating
from locus.backbones.layers import Extractor, ForeignHead, Step, submodule
from locus.backbones.pooling import AVG
from locus.backbones.tokens import SIDE, UNABLE, logits_of
from locus.core.errors import BadValueError, LocusError, NotAvailableError
from locus.core.frames import Grid

Names = Sequence[str] | Mapping[str, int]
Locate = Callable[[tuple[int, int]], Grid]
SKIP = "-"
"""Name of an output that is not used."""


def connect(
    module: nn.Module,
    spec: ModelSpec,
    channels: int,
    rescale: nn.Module | None = None,
    locate: Locate | None = None,
) -> Classifier:
    """Build a classifier from ``module`` and its specification; ``channels``: those of its input images.

    ``locate``: function from the input's (H, W) to the grid. Default: that of ``spec``, of the patches, or measured.
    """
    extractor: Any = Extractor(module, spec.features, spec.rectified)
    if spec.patch:
        extractor = Patches(module, spec.features, spec.patch, spec.prefix, spec.stages)
    locate = locate or _locate(module, spec, extractor, channels)
    if spec.head is None:
        return OpaqueHeadClassifier(extractor, spec, channels, rescale, locate)
    linear: Any = submodule(module, spec.head)
    head = Head(poolings.build(spec.pooling), linear if spec.outputs is None else Rows(linear, spec.outputs))  # type: ignore[arg-type]
    return Classifier(extractor, head, channels=channels, locate=locate, rescale=rescale)


def find_parts(
    module: nn.Module, trace: ForwardTrace, features: str | None, head: str | None, findings: Names, where: str
) -> tuple[ModelSpec, tuple[str, ...]]:
    """Return the specification of ``module`` from one traced image, and the names of the outputs that are used.

    Raises the errors of ``select_outputs`` and ``find_model_spec``.
    """
    names, columns = select_outputs(findings, trace.logits, where)
    return use_columns(find_model_spec(module, trace, features, head), columns), names


def wire(
    module: nn.Module, trace: ForwardTrace, spec: ModelSpec, rescale: nn.Module | None, locate: Locate | None = None
) -> Classifier:
    """Connect the parts that were found in ``trace``. Raises ``BadValueError`` if they do not give its logits."""
    model = connect(module, spec, trace.image.shape[1], None, locate)
    theirs = trace.logits if spec.head is None else trace.linear[spec.head][1]
    theirs = theirs if spec.outputs is None else theirs[:, spec.outputs]
    _require_same(module, trace, model, theirs, "pass callables to locus.wrap, or choose another network")
    model.rescale = rescale
    return model


def _locate(module: nn.Module, spec: ModelSpec, extractor: Any, channels: int) -> Locate:
    if spec.grid is not None:
        stride, offset = spec.grid
        return lambda size: Grid(size, (stride, stride), (offset, offset))
    return extractor.grid if spec.patch else lambda size: probe_grid.grid(module, extractor, size, channels)


class Rows(nn.Module):
    """Some rows of a linear layer, in another order."""

    def __init__(self, linear: nn.Linear, rows: Sequence[int]) -> None:
        super().__init__()
        self.linear, self.rows = linear, list(rows)

    @property
    def weight(self) -> Tensor:
        """Weights (K,C) of the rows."""
        return self.linear.weight[self.rows]

    @property
    def bias(self) -> Tensor | None:
        """Bias (K,) of the rows, or None."""
        return None if self.linear.bias is None else self.linear.bias[self.rows]


class OpaqueHeadClassifier(Classifier):
    """Third-party network with an opaque head (class token, several linear layers …).

    ``features`` returns the output of the submodule ``layer``; the engine treats the rest of the network as the head.
    ``class_maps`` and ``head`` raise ``NotAvailableError``.
    """

    def __init__(
        self, extractor: Any, spec: ModelSpec, channels: int, rescale: nn.Module | None, locate: Locate
    ) -> None:
        count = None if spec.outputs is None else len(spec.outputs)
        super().__init__(extractor, ForeignHead(_refuse, count), channels=channels, rescale=rescale)  # type: ignore[arg-type]
        self.layer, self.outputs, self._locate_layer = spec.features, spec.outputs, locate

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N,K) of the network for images (N,3,H,W)."""
        network: Any = self.extractor.net if hasattr(self.extractor, "net") else self.extractor.module
        logits = logits_of(network(self._as_input(images)))
        return logits if self.outputs is None else logits[:, self.outputs]

    def features(self, images: Tensor) -> Tensor:
        """Return the map of the layer (N,C,h,w) for images (N,3,H,W), without gradients."""
        return layers.run(self, images, str(self.layer))[0].detach()

    def grid(self, size: tuple[int, int], layer: str | None = None) -> Grid:
        """Return the grid of the features, or of another ``layer``, for inputs of ``size`` (H, W) pixels."""
        if layer not in (None, self.layer):
            return super().grid(size, layer)
        if (size, self.layer) not in self._grids:
            self._grids[size, self.layer] = self._locate_layer(size)
        return self._grids[size, self.layer]


def _refuse(A: Tensor) -> Tensor:
    raise NotAvailableError(
        "this network has an opaque head, so model.head is not available: use locus.benchmark.explain"
    )


def select_outputs(
    named: Names, logits: Tensor, where: str = "findings"
) -> tuple[tuple[str, ...], tuple[int, ...] | None]:
    """Return the names of the outputs that are used, and their columns in ``logits`` (1,K); None for all columns.

    ``named``: one name per output, ``-`` for an output that is not used, or name -> column; ``where``: its source.

    Raises ``BadValueError`` for another number of names, a column that does not exist, and outputs that are NaN.

    >>> select_outputs(["-", "Mass", "Nodule"], torch.zeros(1, 3))
    (('Mass', 'Nodule'), (1, 2))
    """
    if isinstance(named, str):
        raise BadValueError(f"findings must be a list of names, one per output, not the string {named!r}")
    count = logits.shape[1]
    advice = f"give one name per output, in order, with {SKIP!r} for outputs to skip, or a name map ({{}})"
    if not isinstance(named, Mapping) and len(named) not in (0, count):
        example = "--findings Effusion=3 Mass=5" if where != "findings" else "{'Effusion': 3, 'Mass': 5}"
        raise BadValueError(
            f"the network has {count} outputs, but {where} has {len(named)} names: " + advice.format(example)
        )
    chosen = dict(named) if isinstance(named, Mapping) else None
    if chosen is None:
        names = tuple(name for name in named if name != SKIP)
        columns = tuple(column for column, name in enumerate(named) if name != SKIP) if named else (*range(count),)
    else:
        names, columns = tuple(chosen), tuple(chosen.values())
    if named and not columns:
        raise BadValueError(f"{where} skips all {count} outputs of the network: name at least one")
    if wrong := [column for column in columns if column not in range(count)]:
        raise BadValueError(f"{where} names the output {wrong[0]}: the outputs of the network are 0 to {count - 1}")
    if len({*columns}) < len(columns):
        raise BadValueError(f"{where} names an output twice: give each finding its own output")
    if missing := [column for column in columns if not bool(logits[0, column].isfinite())]:
        raise BadValueError(
            f"the outputs {' '.join(map(str, missing))} of the network are NaN or infinite for an image of noise: skip "
            f"them with {SKIP!r} in {where}"
        )
    return names, None if columns == (*range(count),) else columns


def use_columns(spec: ModelSpec, columns: Sequence[int] | None) -> ModelSpec:
    """Return ``spec`` with the outputs reduced to some columns of the network's output."""
    if columns is None:
        return spec
    outputs = spec.outputs
    return replace(spec, outputs=tuple(columns if outputs is None else (outputs[column] for column in columns)))


def wrap(
    module: nn.Module,
    features: str | Step | None = None,
    head: str | Step | None = None,
    num_classes: int | None = None,
    channels: int | None = None,
    grid: Locate | None = None,
    img_size: int | None = None,
    findings: Names = (),
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
        findings: names of the outputs, in order, with ``-`` for outputs to skip; or name -> column of the output.
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
    automatic = features is None or head is None
    if automatic and not (isinstance(features, str | None) and isinstance(head, str | None)):
        raise BadValueError("features and head must both be given if one of them is a callable")
    try:
        trace = observe(module, channels, img_size or native(module))
    except BadValueError:
        if automatic:
            raise
        trace = None  # a network that rejects the image of noise, or does not return logits
    given: Any = features
    if trace and (automatic or trace.is_tokens(trace.outputs.get(str(features), torch.empty(0)))):
        step: Any = head
        spec, names = find_parts(module, trace, given, step, findings, "findings")
        model = wire(module, trace, spec, rescale, grid)
    else:
        extractor = Extractor(module, given)
        locate = grid or (lambda size: probe_grid.grid(module, extractor, size, channels))
        step = submodule(module, head) if isinstance(head, str) else head
        build: Any = _with_linear if isinstance(step, nn.Linear) else _with_callable
        last, names = build(module, trace, extractor, step, findings)
        model = Classifier(extractor, last, channels=channels, locate=locate, rescale=rescale)
        if isinstance(last, ForeignHead) and last.num_classes is None:
            last.num_classes = num_classes
    model.name = type(module).__name__
    return model.set_outputs(names, img_size)


def _with_linear(
    module: nn.Module, trace: ForwardTrace | None, extractor: Extractor, linear: nn.Linear, findings: Names
) -> tuple[Head, tuple[str, ...]]:
    """Return a head of the mean and a given linear layer, and the names of its outputs.

    Raises ``BadValueError`` if these are not the outputs of the network, before increasing functions such as a sigmoid.
    """
    name = next((name for name, part in module.named_modules() if part is linear), "")
    rows: tuple[int, ...] | None = ()
    if trace is not None and name in trace.linear:
        advice = (
            "pass as features a callable with all layers before the mean, such as lambda x: net.features(x).relu(), or "
            "leave features out, so that they are detected"
        )
        _require_same(module, trace, Classifier(extractor, Head(AVG(), linear)), trace.linear[name][1], advice)
        rows = head_rows(module, trace, name)
    if rows is None:
        raise BadValueError(
            f"other layers than {name!r} contribute to the outputs of the network: leave features and head out"
        )
    logits = linear.weight.new_zeros(1, len(rows or linear.weight)) if trace is None else trace.logits
    names, columns = select_outputs(findings, logits)
    spec = use_columns(ModelSpec("", name, outputs=rows or None), columns)
    return Head(AVG(), linear if spec.outputs is None else Rows(linear, spec.outputs)), names  # type: ignore[arg-type]


def _with_callable(
    module: nn.Module, trace: ForwardTrace | None, extractor: Extractor, step: Step, findings: Names
) -> tuple[ForeignHead, tuple[str, ...]]:
    """Return a given head as a module, and the names of its outputs.

    Raises ``BadValueError`` if it does not give the outputs of the network, before a sigmoid or softmax.
    """
    head: Any = ForeignHead(step, None)
    if trace is None:
        return head, tuple(findings)
    _require_same(
        module,
        trace,
        Classifier(extractor, head),
        trace.logits,
        "leave features and head out, so that they are detected",
    )
    names, columns = select_outputs(findings, trace.logits) if findings else ((), None)
    return head if columns is None else ForeignHead(lambda A: step(A)[:, columns], len(columns)), names


@torch.no_grad()
def _require_same(module: nn.Module, trace: ForwardTrace, model: Classifier, theirs: Tensor, advice: str) -> None:
    """Raise ``BadValueError`` if features and head do not give the logits ``theirs``; other shapes are not compared."""
    model.channels = trace.image.shape[1]
    with evaluating(module), torch.autocast(trace.image.device.type, enabled=False):
        try:
            ours = model(trace.image)
        except (LocusError, *UNABLE):
            return  # the head does not return logits, or does not accept maps of this size
    scale, tolerance = float(theirs.abs().max()), max(1e-4, 10 * torch.finfo(theirs.dtype).eps)
    known = (ours, ours.sigmoid(), ours.softmax(1)) if ours.shape == theirs.shape else ()
    gaps = [float((values - theirs).abs().max()) for values in known]
    if gaps and not min(gaps) <= tolerance * scale:
        raise BadValueError(
            "the head of the features does not give the logits of the network (logits up to "
            f"{scale:.2g} differ by {gaps[0]:.2g}): {advice}"
        )


def native(module: nn.Module) -> int:
    """Return the native input side length of a network from timm or transformers, else 224."""
    size = getattr(module, "pretrained_cfg", {}).get("input_size", (0, 0, 0))[-1]
    size = size or getattr(getattr(module, "config", None), "image_size", 0) or SIDE
    return int(size[0] if isinstance(size, list | tuple) else size)


def channels_of(module: nn.Module) -> int:
    """Return the number of image channels of a network: those of its first convolution, else 3."""
    first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    return 3 if first is None else first.in_channels
