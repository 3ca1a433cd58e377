"""Wrap any network as a ``Classifier`` without changing it.

``wrap`` does it for a module in Python: ``read_spec`` finds features, head and outputs in one trace of the network, and
``wire`` builds the classifier and compares its logits. Networks given by name (``timm:NAME``) are opened by
``locus.benchmark.opening``.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from locus.backbones import find_head, grids, layers
from locus.backbones import pooling as poolings
from locus.backbones.classifier import Classifier, Head, normalised, require_side
from locus.backbones.layers import Extractor, ModelSpec, Step
from locus.core.errors import BadValueError, NotAvailableError
from locus.core.frames import Grid

Locate = Callable[[tuple[int, int]], Grid]


def connect(
    module: nn.Module,
    spec: ModelSpec,
    channels: int,
    locate: Locate | None = None,
    parts: tuple[str | Step, str | Step | None] | None = None,
) -> Classifier:
    """Build a classifier from a network and its specification.

    Args:
        module: the network.
        spec: where its features and its head are.
        channels: number of channels of its input images.
        locate: function from the input's (H, W) to the grid. None: that of ``spec``, of the patches, or measured.
        parts: features and head, as names or callables, instead of those of ``spec``.

    Returns:
        A classifier that computes the network's outputs from its feature map.

    Raises:
        BadValueError: one grid for the maps of several paths.
    """
    if "+" in spec.features and (locate or spec.grid):
        raise BadValueError(
            f"one grid is given for the maps of several paths ({spec.features}): leave it out"
        )
    features, head = parts or (spec.features, spec.head)
    step = layers.submodule(module, head) if isinstance(head, str) else head
    extractor: Any = (
        layers.Patches(module, spec) if spec.patch else Extractor(module, features, spec.activation)
    )
    locate = locate or _locate(module, spec, extractor, channels)
    if step is None:
        return OpaqueHeadClassifier(extractor, spec, channels, locate)
    last: Any = ForeignHead(step, None, spec)
    if isinstance(step, nn.Linear):
        picks, pooling = (
            spec.outputs is not None or spec.softmax or spec.difference,
            poolings.build(spec.pooling),
        )
        last = PickedHead(pooling, step, spec) if picks else Head(pooling, step)
    return Classifier(extractor, last, channels=channels, locate=locate)


def wire(
    trace: find_head.ForwardTrace, spec: ModelSpec, locate: Locate | None = None
) -> Classifier:
    """Connect the parts that were found in ``trace``.

    Raises ``BadValueError`` if they do not give its logits, ``NotAvailableError`` for tokens in another order.
    """
    model = connect(trace.module, spec, trace.image.shape[1], locate)
    if spec.patch and "+" not in spec.features:
        grids.require_patch_order(trace.module, model.extractor, trace.image)
    theirs = trace.logits if spec.head is None else trace.linear[spec.head][1]
    ours = find_head.attempt(trace.module, model, trace.image)
    find_head.require_same(
        ours, spec.explained(theirs), "pass callables to locus.wrap, or choose another network"
    )
    return model


def _locate(module: nn.Module, spec: ModelSpec, extractor: Any, channels: int) -> Locate:
    if spec.grid is not None:
        stride, offset = spec.grid
        return lambda size: Grid(size, (stride, stride), (offset, offset))
    return (
        extractor.grid
        if spec.patch
        else lambda size: grids.measured(module, extractor, size, channels)
    )


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

    def __init__(self, pooling: poolings.Pooling, linear: nn.Linear, spec: ModelSpec) -> None:
        super().__init__(pooling, Rows(linear, spec))  # type: ignore[arg-type]

    def predicted(self, A: Tensor) -> Tensor:
        """Return the logits (N,K) of the probabilities."""
        rows: Any = self.linear
        return rows.spec.predicted(Head(self.pooling, rows.linear)(A))


class OpaqueHeadClassifier(Classifier):
    """Third-party network with an opaque head (class token, several linear layers …).

    ``features`` returns the output of the submodule ``layer``; the engine treats the rest of the network as the head.
    ``class_maps`` and ``head`` raise ``NotAvailableError``.
    """

    def __init__(self, extractor: Any, spec: ModelSpec, channels: int, locate: Locate) -> None:
        head: Any = ForeignHead(_refuse, None, spec)
        super().__init__(extractor, head, channels=channels, locate=locate)
        self.layer, self.spec = spec.features, spec

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N,K) of the network for images (N,3,H,W)."""
        return self.spec.explained(self._logits(images))

    def predict(self, images: Tensor) -> Tensor:
        """Return the logits (N,K) of the probabilities of images (N,3,H,W)."""
        return self.spec.predicted(self._logits(images))

    def _logits(self, images: Tensor) -> Tensor:
        network: Any = (
            self.extractor.net if hasattr(self.extractor, "net") else self.extractor.module
        )
        return layers.logits_of(
            network(self._as_input(images).clone())
        )  # it may change its input in place

    def features(self, images: Tensor) -> Tensor:
        """Return the map of the layer (N,C,h,w) for images (N,3,H,W), without gradients."""
        return layers.run(self, images, str(self.layer))[0].detach()

    def grid(self, size: tuple[int, int], layer: str | None = None) -> Grid:
        """Return the grid of the features, or of another ``layer``, for inputs of ``size`` (H, W) pixels."""
        if layer not in (None, self.layer):
            return super().grid(size, layer)
        if "+" in str(self.layer):
            return min(
                (self.grid(size, path) for path in str(self.layer).split("+")),
                key=lambda grid: grid.stride,
            )
        return super().grid(size)


class ForeignHead(nn.Module):
    """Opaque head, with logits but without class maps."""

    pooling_name = ""

    def __init__(self, head: Step, num_classes: int | None, spec: ModelSpec | None = None) -> None:
        super().__init__()
        self.head, self.spec = head, spec or ModelSpec("", None)
        self.num_classes = num_classes if self.spec.outputs is None else len(self.spec.outputs)

    def forward(self, A: Tensor) -> Tensor:
        """Return logits (N,K) of maps (N,C,h,w). Raises ``BadValueError`` if the head does not return that shape."""
        return self.spec.explained(self._logits(A))

    def predicted(self, A: Tensor) -> Tensor:
        """Return the logits (N,K) of the probabilities."""
        return self.spec.predicted(self._logits(A))

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
        raise NotAvailableError(
            f"the weights of this wrapped head are unknown, because it is a callable: {advice}"
        )

    weight = bias = property(class_maps)


def _misfit(A: Tensor, reason: str) -> BadValueError:
    shape = tuple(A.shape)
    advice = "give a callable such as lambda A: fc(A.mean((2, 3)))"
    return BadValueError(
        f"the wrapped head does not convert {shape} to (N, K) ({reason}): {advice}"
    )


def _refuse(A: Tensor) -> Tensor:
    raise NotAvailableError(
        "this network has an opaque head, so model.head is not available: use locus.explaining"
    )


def wrap(
    module: nn.Module,
    features: str | Step | None = None,
    head: str | Step | None = None,
    num_classes: int | None = None,
    channels: int | None = None,
    grid: Locate | None = None,
    img_size: int | None = None,
    findings: find_head.Names = (),
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
            takes images as ``prepare`` returns them and converts them. Default: those that a network of timm states
            (``pretrained_cfg``); else ``module`` takes images unchanged, with ImageNet's mean and standard deviation
            (of one grey channel: their means).
        std: standard deviation of these grey values; mean and std require each other.
        outputs: ``sigmoid`` (independent findings), or ``softmax`` over all outputs, which exclude each other.
        target: explain each ``logit``, or its ``difference`` from the mean of all other logits.

    Returns:
        The classifier, which shares its weights with ``module``.

    Raises:
        UnknownNameError: an unknown submodule.
        BadValueError: an invalid argument, features and head that do not give the logits of ``module``, or logits that
            differ between calls or batches.
        NotAvailableError: no map is found, or the logits depend on another path, too.

    Example:
        A must be the output of the last non-linearity. The DenseNets of torchvision and torchxrayvision apply a ReLU
        after their ``features``. Pass a callable, or omit both arguments::

            net = torchxrayvision.models.DenseNet(weights=None)
            model = wrap(net, features=lambda x: net.features(x).relu(), head="classifier")
    """
    if not isinstance(module, nn.Module):
        raise BadValueError(
            f"the network is a {type(module).__name__}, not an nn.Module: give the network itself"
        )
    for word, value in (
        ("img_size", img_size),
        ("channels", channels),
        ("num_classes", num_classes),
    ):
        require_side(value, word)
    dtype = next(
        (weight.dtype for weight in module.parameters() if weight.dtype.is_floating_point),
        torch.float32,
    )
    if dtype != torch.float32:
        raise BadValueError(
            f"the weights of the network are {dtype}, images are torch.float32: use network.float()"
        )
    channels = channels or channels_of(module)
    if (mean is None) != (std is None):
        raise BadValueError("mean and std require each other: give both, or leave both out")
    if mean is None:
        mean, std = _stated_statistics(module, channels)
    rescale = None if mean is None or std is None else normalised(mean, std, channels)
    if isinstance(features, str | None) and isinstance(head, str | None):
        trace = find_head.observe(module, channels, img_size)
        spec, names = find_head.read_spec(
            trace, (features, head), findings, "findings", (outputs, target)
        )
        model = wire(trace, spec, grid)
    elif features is None or head is None:
        raise BadValueError("features and head must both be given if one of them is a callable")
    else:
        image = layers.noise(module, channels, img_size)
        model, names = _of_callables(
            module, image, (features, head), grid, findings, (outputs, target)
        )
        if isinstance(model.head, ForeignHead):
            model.head.num_classes = model.head.num_classes or num_classes
    model.rescale, model.name = rescale, type(module).__name__
    return model.set_outputs(names, img_size)


def _stated_statistics(
    module: nn.Module, channels: int
) -> tuple[Sequence[float] | None, Sequence[float] | None]:
    """Return mean and standard deviation of grey values that a network of timm states; None for other networks."""
    config = getattr(module, "pretrained_cfg", None) or {}
    mean, std = config.get("mean"), config.get("std")
    if mean is None or std is None or len(mean) not in (1, channels):
        return None, None
    return mean, std


def _of_callables(
    module: nn.Module,
    image: Tensor,
    parts: tuple[str | Step, str | Step],
    locate: Locate | None,
    findings: find_head.Names,
    meaning: tuple[str, str],
) -> tuple[Classifier, tuple[str, ...]]:
    """Build a classifier of given features and a given head, of which at least one is a callable.

    Raises ``BadValueError`` if it does not give the outputs of the network, before a sigmoid or softmax. A network that
    rejects the ``image`` of noise, or does not return logits, is not compared.
    """
    logits = find_head.attempt(module, lambda images: layers.logits_of(module(images)), image)
    names, columns = (
        (tuple(findings), None)
        if logits is None or not findings
        else find_head.select_outputs(findings, logits)
    )
    spec = find_head.with_outputs(
        ModelSpec("", None), columns, meaning, None if logits is None else logits.shape[1]
    )
    model = connect(module, spec, image.shape[1], locate, parts)
    ours = find_head.attempt(module, model, image)
    if ours is not None and find_head.attempt(module, model, torch.cat([image, image])) is None:
        raise BadValueError(
            "the network rejects a batch of two images: its features and head must accept any number"
        )
    if ours is not None:

        def logits_again(images: Tensor) -> Any:
            return find_head.attempt(module, model, images)

        find_head.require_stable(logits_again, image, ours)
    if logits is not None:
        find_head.require_same(
            ours,
            spec.explained(logits),
            "pass as features a callable with all layers before the mean, such as lambda x: net.features(x).relu(), or "
            "leave features and head out, so that they are detected",
        )
    return model, names


def channels_of(module: nn.Module) -> int:
    """Return the number of image channels of a network: those of its first convolution, else 3."""
    first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    return 3 if first is None else first.in_channels
