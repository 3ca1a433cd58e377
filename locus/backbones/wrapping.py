"""Wrap any network as a ``Classifier`` without changing it.

``wrap`` does it for a module in Python: ``read_spec`` finds features, head and outputs in one trace of the network, and
``wire`` builds the classifier and compares its logits. Networks given by name (``timm:NAME``) are opened by
``locus.benchmark.opening``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from locus.backbones import find_head, layers, probe_grid
from locus.backbones import pooling as poolings
from locus.backbones.classifier import Classifier, Head, normalised, require_names, require_side
from locus.backbones.find_head import ForwardTrace, ModelSpec, Patches, find_model_spec, observe, same_logits
from locus.backbones.grids import evaluating
from locus.backbones.layers import Extractor, ForeignHead, Step, submodule
from locus.backbones.tokens import INPUT_ERRORS, NOISE_SIDE, logits_of, noise
from locus.core.errors import BadValueError, LocusError, NotAvailableError
from locus.core.frames import Grid

Names = Sequence[str] | Mapping[str, int]
Locate = Callable[[tuple[int, int]], Grid]
UNUSED_OUTPUT = "-"
"""Name of an output that is not used."""
OUTPUTS, TARGETS = ("sigmoid", "softmax"), ("logit", "difference")
"""Meanings of the outputs, and what is explained: a logit, or a logit less the mean of the others."""


def read_spec(
    module: nn.Module,
    trace: ForwardTrace,
    parts: tuple[str | None, str | None],
    findings: Names,
    where: str,
    meaning: tuple[str, str],
) -> tuple[ModelSpec, tuple[str, ...]]:
    """Return the specification of ``module`` from one traced image, and the names of the outputs that are used.

    ``parts``: names of features and head, if given; ``meaning``: from ``OUTPUTS`` and ``TARGETS``. Raises the errors of
    ``select_outputs`` and ``find_model_spec``.
    """
    names, columns = select_outputs(findings, trace.logits, where)
    spec = find_model_spec(module, trace, *parts)
    if columns is not None and spec.outputs is not None:
        columns = tuple(spec.outputs[column] for column in columns)
    return with_outputs(spec, columns, meaning, trace.logits.shape[1]), names


def with_outputs(
    spec: ModelSpec, columns: tuple[int, ...] | None, meaning: tuple[str, str], count: int | None
) -> ModelSpec:
    """Return ``spec`` with some columns of the ``count`` outputs and their meaning. Raises ``BadValueError``."""
    for word, value, allowed in zip(("outputs", "target"), meaning, (OUTPUTS, TARGETS), strict=True):
        if value not in allowed:
            raise BadValueError(f"{word} is {value!r}: use {' or '.join(allowed)}")
    if count == 1 and meaning != ("sigmoid", "logit"):
        raise BadValueError("the network has one output: outputs=softmax and target=difference require two or more")
    softmax, difference = meaning[0] == "softmax", meaning[1] == "difference"
    return replace(spec, outputs=columns or spec.outputs, softmax=softmax, difference=difference)


def connect(
    module: nn.Module, spec: ModelSpec, channels: int, rescale: nn.Module | None = None, locate: Locate | None = None
) -> Classifier:
    """Build a classifier from ``module`` and its specification; ``channels``: those of its input images.

    ``locate``: function from the input's (H, W) to the grid. Default: that of ``spec``, of the patches, or measured.
    """
    if "+" in spec.features and (locate or spec.grid):
        raise BadValueError(f"one grid is given for the maps of several paths ({spec.features}): leave it out")
    extractor: Any = Extractor(module, spec.features, spec.activation)
    if spec.patch:
        extractor = Patches(module, spec.features, spec.patch, spec.prefix, spec.stages)
    locate = locate or _locate(module, spec, extractor, channels)
    if spec.head is None:
        return OpaqueHeadClassifier(extractor, spec, channels, rescale, locate)
    head: Any = _linear_head(submodule(module, spec.head), spec)
    return Classifier(extractor, head, channels=channels, locate=locate, rescale=rescale)


def wire(
    module: nn.Module, trace: ForwardTrace, spec: ModelSpec, rescale: nn.Module | None, locate: Locate | None = None
) -> Classifier:
    """Connect the parts that were found in ``trace``. Raises ``BadValueError`` if they do not give its logits."""
    model = connect(module, spec, trace.image.shape[1], None, locate)
    theirs = trace.logits if spec.head is None else trace.linear[spec.head][1]
    ours = _try(module, model, trace.image)
    _require_same(ours, spec.explained(theirs), "pass callables to locus.wrap, or choose another network")
    model.rescale = rescale
    return model


def _locate(module: nn.Module, spec: ModelSpec, extractor: Any, channels: int) -> Locate:
    if spec.grid is not None:
        stride, offset = spec.grid
        return lambda size: Grid(size, (stride, stride), (offset, offset))
    return extractor.grid if spec.patch else lambda size: probe_grid.grid(module, extractor, size, channels)


def _linear_head(linear: Any, spec: ModelSpec) -> Head:
    picks = spec.outputs is not None or spec.softmax or spec.difference
    return PickedHead(linear, spec) if picks else Head(poolings.build(spec.pooling), linear)


class Rows(nn.Module):
    """Some rows of a linear layer, in another order, or their differences from the mean of the other rows."""

    def __init__(self, linear: nn.Linear, spec: ModelSpec) -> None:
        super().__init__()
        self.linear, self.spec = linear, spec

    @property
    def weight(self) -> Tensor:
        """Weights (K,C) of the rows."""
        return self.spec.explained(self.linear.weight.mT).mT

    @property
    def bias(self) -> Tensor | None:
        """Bias (K,) of the rows, or None."""
        return None if self.linear.bias is None else self.spec.explained(self.linear.bias[None])[0]


class PickedHead(Head):
    """Pooling and a linear layer of which some outputs are explained."""

    def __init__(self, linear: nn.Linear, spec: ModelSpec) -> None:
        super().__init__(poolings.build(spec.pooling), Rows(linear, spec))  # type: ignore[arg-type]

    def predicted(self, A: Tensor) -> Tensor:
        """Return the logits (N,K) of the probabilities."""
        rows: Any = self.linear
        return rows.spec.predicted(Head(self.pooling, rows.linear)(A))


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
        self.layer, self.spec, self._locate_layer = spec.features, spec, locate

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N,K) of the network for images (N,3,H,W)."""
        return self.spec.explained(self._logits(images))

    def predict(self, images: Tensor) -> Tensor:
        """Return the logits (N,K) of the probabilities of images (N,3,H,W)."""
        return self.spec.predicted(self._logits(images))

    def _logits(self, images: Tensor) -> Tensor:
        network: Any = self.extractor.net if hasattr(self.extractor, "net") else self.extractor.module
        return logits_of(network(self._as_input(images)))

    def features(self, images: Tensor) -> Tensor:
        """Return the map of the layer (N,C,h,w) for images (N,3,H,W), without gradients."""
        return layers.run(self, images, str(self.layer))[0].detach()

    def grid(self, size: tuple[int, int], layer: str | None = None) -> Grid:
        """Return the grid of the features, or of another ``layer``, for inputs of ``size`` (H, W) pixels."""
        if layer not in (None, self.layer):
            return super().grid(size, layer)
        if "+" in str(self.layer):
            return min((self.grid(size, path) for path in str(self.layer).split("+")), key=lambda grid: grid.stride)
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
    if not isinstance(named, Mapping):
        require_names(named)
    count = logits.shape[1]
    advice = f"give one name per output, in order, with {UNUSED_OUTPUT!r} for outputs to skip, or a name map ({{}})"
    if not isinstance(named, Mapping) and len(named) not in (0, count):
        example = "--findings Effusion=3 Mass=5" if where != "findings" else "{'Effusion': 3, 'Mass': 5}"
        raise BadValueError(
            f"the network has {count} outputs, but {where} has {len(named)} names: " + advice.format(example)
        )
    chosen = dict(named) if isinstance(named, Mapping) else None
    if chosen is None:
        names = tuple(name for name in named if name != UNUSED_OUTPUT)
        columns = (
            tuple(column for column, name in enumerate(named) if name != UNUSED_OUTPUT) if named else (*range(count),)
        )
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
            f"them with {UNUSED_OUTPUT!r} in {where}"
        )
    return names, None if columns == (*range(count),) else columns


def wrap(
    module: nn.Module,
    features: str | Step | None = None,
    head: str | Step | None = None,
    num_classes: int | None = None,
    channels: int | None = None,
    grid: Locate | None = None,
    img_size: int | None = None,
    findings: Names = (),
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    outputs: str = "sigmoid",
    target: str = "logit",
) -> Classifier:
    """Wrap ``module`` as a :class:`Classifier` with A = ``features(images)`` and logits = ``head(A)``.

    Args:
        module: the network; it is not changed.
        features: a callable (N,channels,H,W) -> (N,C,h,w), or the dotted name of the submodule with output A. Default:
            detected with an image of ``img_size`` pixels (``find_model_spec``). For a network with several paths: the
            maps of all of them, joined by ``+``; maps of methods are summed on the finest grid.
        head: a callable (N,C,h,w) -> (N,K) logits, or the dotted name of an ``nn.Linear`` whose input is the mean of A;
            then the model has ``class_maps``, ``weight`` and ``bias``. Default: detected, else the rest of the network.
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
        outputs: ``sigmoid`` (independent findings), or ``softmax`` over all outputs, which exclude each other.
        target: explain each ``logit``, or its ``difference`` from the mean of all other logits.

    A must be the output of the last non-linearity. The DenseNets of torchvision and torchxrayvision apply a ReLU after
    their ``features``. Pass a callable, or omit both arguments::

        net = torchxrayvision.models.DenseNet(weights=None)
        model = wrap(net, features=lambda x: net.features(x).relu(), head="classifier")

    Raises:
        UnknownNameError: an unknown submodule. BadValueError: an invalid argument, features and head that do not give
        the logits of ``module``, or logits that differ between calls or batches. NotAvailableError: no map is found, or
        the logits depend on another path, too.
    """
    if not isinstance(module, nn.Module):
        raise BadValueError(f"the network is a {type(module).__name__}, not an nn.Module: give the network itself")
    for word, value in (("img_size", img_size), ("channels", channels), ("num_classes", num_classes)):
        require_side(value, word)
    channels = channels or channels_of(module)
    if (mean is None) != (std is None):
        raise BadValueError("mean and std require each other: give both, or leave both out")
    rescale = None if mean is None or std is None else normalised(mean, std, channels)
    if isinstance(features, str | None) and isinstance(head, str | None):
        trace = observe(module, channels, img_size or native(module))
        spec, names = read_spec(module, trace, (features, head), findings, "findings", (outputs, target))
        model = wire(module, trace, spec, rescale, grid)
    elif features is None or head is None:
        raise BadValueError("features and head must both be given if one of them is a callable")
    else:
        model, names = _of_callables(module, channels, img_size, (features, head), findings, (outputs, target))
        model.rescale, model._locate = rescale, grid or model._locate
        if isinstance(model.head, ForeignHead):
            model.head.num_classes = model.head.num_classes or num_classes
    model.name = type(module).__name__
    return model.set_outputs(names, img_size)


def _of_callables(
    module: nn.Module,
    channels: int,
    side: int | None,
    parts: tuple[Any, Any],
    findings: Names,
    meaning: tuple[str, str],
) -> tuple[Classifier, tuple[str, ...]]:
    """Build a classifier of given features and a given head, of which at least one is a callable.

    Raises ``BadValueError`` if it does not give the outputs of the network, before a sigmoid or softmax. A network that
    rejects the image of noise, or does not return logits, is not compared.
    """
    image = noise(module, channels, side or native(module))
    logits = _try(module, lambda images: logits_of(module(images)), image)
    names, columns = (tuple(findings), None) if logits is None or not findings else select_outputs(findings, logits)
    spec = with_outputs(ModelSpec("", None), columns, meaning, None if logits is None else logits.shape[1])
    step = submodule(module, parts[1]) if isinstance(parts[1], str) else parts[1]
    last: Any = _linear_head(step, spec) if isinstance(step, nn.Linear) else ForeignHead(step, None, spec)
    extractor = Extractor(module, parts[0])
    model = Classifier(extractor, last, channels=channels, locate=_locate(module, spec, extractor, channels))
    ours = _try(module, model, image)
    if ours is not None and _try(module, model, torch.cat([image, image])) is None:
        raise BadValueError("the network rejects a batch of two images: its features and head must accept any number")
    if ours is not None:
        find_head.require_stable(lambda images: _try(module, model, images), image, ours)  # type: ignore[arg-type,return-value]
    if logits is not None:
        _require_same(
            ours,
            spec.explained(logits),
            "pass as features a callable with all layers before the mean, such as lambda x: net.features(x).relu(), or "
            "leave features and head out, so that they are detected",
        )
    return model, names


@torch.no_grad()
def _try(module: nn.Module, run: Step, images: Tensor) -> Tensor | None:
    """Return the logits of ``run`` in evaluation mode; None if it does not return logits or rejects the images."""
    with evaluating(module), torch.autocast(images.device.type, enabled=False):
        try:
            return run(images)
        except (LocusError, *INPUT_ERRORS):
            return None


def _require_same(ours: Tensor | None, theirs: Tensor, advice: str) -> None:
    """Raise ``BadValueError`` if features and head do not give the logits ``theirs``; other shapes are not compared."""
    if ours is None or ours.shape != theirs.shape:
        return
    if not any(same_logits(values, theirs) for values in (ours, ours.sigmoid(), ours.softmax(1))):
        raise BadValueError(
            "the head of the features does not give the logits of the network (logits up to "
            f"{float(theirs.abs().max()):.2g} differ by {float((ours - theirs).abs().max()):.2g}): {advice}"
        )


def native(module: nn.Module) -> int:
    """Return the native input side length of a network from timm or transformers, else 224."""
    size = getattr(module, "pretrained_cfg", {}).get("input_size", (0, 0, 0))[-1]
    size = size or getattr(getattr(module, "config", None), "image_size", 0) or NOISE_SIDE
    return int(size[0] if isinstance(size, list | tuple) else size)


def channels_of(module: nn.Module) -> int:
    """Return the number of image channels of a network: those of its first convolution, else 3."""
    first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    return 3 if first is None else first.in_channels
