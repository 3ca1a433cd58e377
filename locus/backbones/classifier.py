"""The classifier that all methods explain: features (with attention), head, class maps and grid.

``Classifier``  network with ``model(images) == model.head(model.features(images))``
``Head``        pooling, dropout and one linear weight vector per finding
``Rescale``     conversion of ImageNet-normalised images to the grey values that other networks expect

Extractors, poolings and attention layers are built by ``locus.backbones.catalog``; networks of users become classifiers
in ``locus.backbones.wrapping``.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from numbers import Real
from typing import Any, Self

import torch
from torch import Tensor, nn

from locus.backbones import grids, layers
from locus.backbones.layers import Extractor, TokensOf, hooked
from locus.backbones.pooling import Pooling, precise
from locus.backbones.tokens import TokenLayout, find_token_layout
from locus.core.errors import BadValueError
from locus.core.frames import Grid, square_pixels
from locus.core.names import duplicates, require_findings
from locus.core.types import GRAY_MEAN, GRAY_STD, IMAGENET_MEAN, IMAGENET_STD, Sample


class Head(nn.Module):
    """logit_k = w_k . dropout(pool(A)) + b_k, in float32 even under autocast (float64 stays float64).

    Differentiable with respect to A, which is not modified. With PCAM each finding has separate pooled features; with
    all other poolings they are shared.
    """

    def __init__(self, pooling: Pooling, linear: nn.Linear, dropout: float = 0.0) -> None:
        super().__init__()
        self.pooling, self.linear = pooling, linear
        self.dropout = nn.Dropout(dropout)

    @property
    def pooling_name(self) -> str:
        """Registered name of the pooling, without options."""
        return self.pooling.name

    @property
    def num_classes(self) -> int:
        """K, the number of findings."""
        return len(self.linear.weight)

    @property
    def weight(self) -> Tensor:
        """Linear weights, (K, groups * C)."""
        return self.linear.weight

    @property
    def bias(self) -> Tensor:
        """Linear bias, (K,); zeros if the layer has none."""
        return (
            self.weight.new_zeros(len(self.weight))
            if self.linear.bias is None
            else self.linear.bias
        )

    def forward(self, A: Tensor) -> Tensor:
        """Return logits (N,K) of maps (N,C,h,w), before any sigmoid or softmax."""
        with torch.autocast(A.device.type, enabled=False):
            A = precise(A)
            weight, bias = self.weight.to(A.dtype), self.bias.to(A.dtype)
            if not self.pooling.per_finding:
                return nn.functional.linear(self.dropout(self.pooling(A)), weight, bias)
            pooled = self.pooling(A, self._scores(A))  # (N, K, C)
            return (self.dropout(pooled) * weight).sum(-1) + bias

    def predicted(self, A: Tensor) -> Tensor:
        """Return the logits (N,K) of the probabilities; of some external networks they differ from the logits."""
        return self(A)

    def class_maps(self, A: Tensor) -> Tensor:
        """Return w_k . A at every position, without bias, (N,K,h,w); weight groups (AVG_MAX) are summed."""
        with torch.autocast(A.device.type, enabled=False):
            A = precise(A)
            weight = (
                self.weight.to(A.dtype).reshape(len(self.weight), self.pooling.groups, -1).sum(1)
            )  # (K, C)
            return torch.einsum("kc,nchw->nkhw", weight, A)

    @torch.no_grad()
    def factors(self, A: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return w (K,C) and D (N,1|K,C|1,h,w) with dlogit_k / dA_c(xy) = w_kc * D(xy) in evaluation mode.

        None if the pooling has no such form (AVG_MAX). The cost does not depend on K, except for PCAM.
        """
        with torch.autocast(A.device.type, enabled=False):
            A = precise(A)
            D = self.pooling.derivative(A, *([self._scores(A)] if self.pooling.per_finding else []))
            return None if D is None else (self.weight.detach().to(A.dtype), D)

    @torch.no_grad()
    def ablated_drops(self, A: Tensor) -> Tensor | None:
        """Return the drop of logit k when channel c is set to 0, w_kc (pool(A_c) - pool(0)), as (N,K,C).

        Weight groups are summed. For PCAM, where each channel affects the weights of the others, see :meth:`_drop`.
        """
        with torch.autocast(A.device.type, enabled=False):
            A = precise(A)
            if self.pooling.per_finding:
                return torch.stack([self._drop(image) for image in A])
            change = self.pooling(A) - self.pooling(torch.zeros_like(A[:1]))
            groups = self.pooling.groups
            weight = self.weight.to(A.dtype).reshape(len(self.weight), groups, -1)  # (K, groups, C)
            return torch.einsum("kgc,ngc->nkc", weight, change.reshape(len(A), groups, -1))

    def _drop(self, image: Tensor) -> Tensor:
        """Return the drops (K,C) of one image (C,h,w).

        Logit k pools the class map z_k; without channel c the class map is z_k - w_kc A_c. In float64, because the drop
        is a small difference of two logits; one image at a time, because of the memory.
        """
        A = image.double()
        drops = []
        for z, weight, bias in zip(
            self.class_maps(A[None])[0], self.weight.double(), self.bias.double(), strict=True
        ):
            # (1 + C, 1, h, w), the first one without ablation
            maps = torch.cat([z[None], z - weight[:, None, None] * A]).unsqueeze(1)
            S = self.pooling(maps, maps + bias).flatten()
            drops.append(S[0] - S[1:])
        return torch.stack(drops).to(image.dtype)

    def _scores(self, A: Tensor) -> Tensor:
        """Return the logit of each position alone, with bias: (N,C,h,w) -> (N,K,h,w)."""
        return self.class_maps(A) + self.bias.to(A.dtype)[:, None, None]


class Rescale(nn.Module):
    """Undo ImageNet's normalisation and return (p - mean) / std of the grey values p in [0, 255], in all channels.

    Set by options of a backbone, for weights trained that way: ``densenet121:mean=128,std=64`` (jfhealthcare),
    ``mean=127.5,std=0.12451171875`` (torchxrayvision: -1024 to 1024). Has no parameters and stores nothing.

    >>> black = (torch.zeros(3) - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    >>> Rescale(mean=128, std=64)(black.reshape(1, 3, 1, 1)).flatten().round(decimals=5).tolist()
    [-2.0, -2.0, -2.0]
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: float = 0.0, std: float = 255.0) -> None:
        super().__init__()
        if isinstance(mean, str) or isinstance(std, str) or not std > 0:
            raise BadValueError(
                f"mean and std must be grey values in [0, 255], and std above 0, but are {mean} and {std}"
            )
        scale = torch.tensor(IMAGENET_STD, dtype=torch.float64) * 255 / std
        shift = (torch.tensor(IMAGENET_MEAN, dtype=torch.float64) * 255 - mean) / std
        self.set(scale, shift)

    def set(self, scale: Tensor, shift: Tensor) -> None:
        """Set the factor ``scale`` and the offset ``shift`` of each channel."""
        self.register_buffer("scale", scale.float().reshape(-1, 1, 1), persistent=False)
        self.register_buffer("shift", shift.float().reshape(-1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Convert images (N,3,H,W) from ImageNet's normalisation to ``mean`` and ``std``."""
        return images * self.scale.to(images.dtype) + self.shift.to(images.dtype)


def normalise(pixels: Tensor) -> Tensor:
    """Normalise (N,H,W) uint8 by ImageNet's mean and standard deviation, after scaling to [0, 1]: (N,3,H,W) float32.

    >>> normalise(torch.zeros(1, 2, 2, dtype=torch.uint8)).shape
    torch.Size([1, 3, 2, 2])
    """
    mean, std = (
        torch.tensor(values, device=pixels.device).view(1, -1, 1, 1)
        for values in (IMAGENET_MEAN, IMAGENET_STD)
    )
    return (pixels[:, None].to(torch.float32) / 255 - mean) / std


def require_names(findings: Any) -> None:
    """Raise ``BadValueError`` unless the names of the outputs are a list or tuple, whose order is certain."""
    if not isinstance(findings, list | tuple):
        raise BadValueError(
            f"findings is {findings!r}: give a list of names, one per output, in order"
        )


def require_side(value: Any, word: str) -> None:
    """Raise ``BadValueError`` unless ``value`` is a whole number of at least 1, or None."""
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise BadValueError(f"{word} is {value!r}: give a whole number of at least 1")


def _numbers(word: str, values: Any) -> list[float]:
    listed = list(values) if isinstance(values, list | tuple) else [values]
    if not listed or not all(isinstance(value, Real) for value in listed):
        raise BadValueError(
            f"{word} is {values!r}: give one number, or a list with one for each channel"
        )
    return listed


def normalised(
    mean: float | Sequence[float], std: float | Sequence[float], channels: int
) -> Rescale | None:
    """Return the conversion to (p - mean) / std of grey values p in [0, 1]; None if these are ImageNet's statistics.

    ``mean`` and ``std`` have one value for all ``channels`` or one each. Raises ``BadValueError`` for another number of
    values, a mean outside [0, 1], or a standard deviation outside (0, 1], as for grey values in [0, 255].

    >>> normalised(IMAGENET_MEAN, IMAGENET_STD, 3) is None, normalised((0.5,), (0.5,), 1)(torch.zeros(1, 1, 1, 1)).shape
    (True, torch.Size([1, 1, 1, 1]))
    """
    mean, std = _numbers("mean", mean), _numbers("std", std)
    for word, values in (("mean", mean), ("std", std)):
        valid = all(0 <= value <= 1 and (value > 0 or word == "mean") for value in values)
        if len(values) not in (1, channels) or not valid:
            raise BadValueError(
                f"{word} is {' '.join(map(str, values))}: give one number, or one for each of the {channels} channels, "
                "between 0 and 1 (std above 0), because grey values are scaled to [0, 1]: divide by 255 if needed"
            )
    if channels == 3 and (tuple(mean), tuple(std)) == (IMAGENET_MEAN, IMAGENET_STD):
        return None
    wanted = [torch.tensor(values, dtype=torch.float64).expand(channels) for values in (mean, std)]
    rescale = Rescale()
    ours, spread = (
        torch.tensor(values[:channels], dtype=torch.float64)
        for values in (IMAGENET_MEAN, IMAGENET_STD)
    )
    rescale.set(spread / wanted[1], (ours - wanted[0]) / wanted[1])
    return rescale


class Classifier(layers.Network):
    """Network with ``model(images) == model.head(model.features(images))``.

    Letters: N images, K findings, C channels, h w positions of the feature map, H W pixels of the network's input; A is
    the feature map (N,C,h,w) that is pooled. A *wrapped* network was not made by ``locus.backbones.build``:
    ``locus.backbones.wrap`` made it from a user's own module.
    """

    layer: str | None = None
    """Layer that is explained by default; None: the feature map that is pooled."""
    findings: tuple[str, ...] = ()
    """Names of the outputs, in order; empty if unknown."""
    img_size: int | None = None
    """Side of the square input images in pixels; None if unknown."""
    train_config: Any = None
    """``locus.config.TrainConfig`` of the training run if the model was loaded from one, else None."""
    training_images: Any = None
    """``locus.datasets.leaks.TrainingImages`` of the training run; None if they are unknown."""

    def __init__(
        self,
        extractor: nn.Module,
        head: Head,
        attention: nn.Module | None = None,
        build_options: dict[str, Any] | None = None,
        channels: int = 3,
        locate: Callable[[tuple[int, int]], Grid] | None = None,
        layer_names: tuple[str, ...] = (),
        rescale: nn.Module | None = None,
    ) -> None:
        """Combine an extractor (N,channels,H,W) -> (N,C,h,w) and a head.

        Args:
            extractor: the network up to its last feature map.
            head: pooling and classifier, (N,C,h,w) -> (N,K).
            attention: module applied to the output of the extractor, (N,C,h,w) -> (N,C,h,w).
            build_options: see the attribute.
            channels: number of image channels.
            locate: function from an input size to the grid of A. Default: computed from the kernel sizes, strides and
                paddings of the extractor's layers.
            layer_names: submodules with feature maps, in forward order.
            rescale: module from ImageNet-normalised pixels to the range on which the network was trained.
        """
        super().__init__()
        self.extractor, self.attention = extractor, attention
        self.head = head
        self.rescale = rescale
        self.name = "network"
        """Name in tables if it was not built by ``locus.backbones.build``: the class of a wrapped network."""
        self.build_options = build_options
        """Options (JSON-able) from which :mod:`locus.benchmark.opening` rebuilds this architecture: normally those
        of ``locus.backbones.build``; None if wrapped. ``pretrained`` is always False: a checkpoint has the weights."""
        self.channels = channels
        self._locate = locate
        self._grids: dict[tuple[tuple[int, int], str | None], Grid] = {}
        self._declared_layers = layer_names
        self._token_layouts: dict[tuple[int, int], TokenLayout] = {}

    @property
    def pooling(self) -> str:
        """Name of the pooling without options (``PCAM``); empty for a wrapped head that is a callable."""
        return self.head.pooling_name

    @property
    def num_classes(self) -> int | None:
        """K, the number of findings; None for a wrapped head of unknown size."""
        return self.head.num_classes

    @cached_property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers before the pooled map, in forward order; see :mod:`locus.backbones.layers`.

        Empty for a wrapped network. Other submodules can be selected by their dotted names in the original network.
        """
        declared, outputs = self._declared_layers, dict[str, Any]()
        if self.attention is not None or not declared:
            return declared
        hooks = {
            layers.path(self, name): lambda part, inputs, output, name=name: outputs.update(
                {name: output}
            )
            for name in declared
        }
        with hooked(self, hooks):
            A = grids.features(
                self.extractor, getattr(self.extractor, "native", (224, 224)), self.channels
            )
        return tuple(name for name in declared if outputs.get(name) is not A)

    def set_outputs(self, findings: Sequence[str] = (), img_size: int | None = None) -> Self:
        """Set the names of the outputs and the side of the images, if given, and return the model.

        Raises ``BadValueError`` if the names do not match the outputs, a name is repeated or the side is below 1.
        """
        require_names(findings)
        require_side(img_size, "img_size")
        if findings and self.num_classes not in (None, len(findings)):
            raise BadValueError(
                f"{len(findings)} findings for {self.num_classes} outputs: give one name per output"
            )
        require_findings(findings)
        if twice := duplicates(findings):
            raise BadValueError(
                f"findings has {', '.join(twice)} more than once: give each output its own name"
            )
        self.findings, self.img_size = tuple(findings) or self.findings, img_size or self.img_size
        return self

    def prepare(self, samples: Sequence[Sample]) -> Tensor:
        """Load the images of samples as input of the network.

        Returns:
            (N,3,S,S) float32 on the device of its weights, S = ``img_size``: resized to a square, then normalised by
            ImageNet's statistics (the model converts them to its own); (N,1,S,S) for a network of one channel.

        Raises:
            BadValueError: no samples, or no ``img_size``. DataError: an image that cannot be decoded.
        """
        if self.img_size is None:
            raise BadValueError(
                "the image size of this model is unknown: set model.img_size, for example to 224"
            )
        if not len(samples):
            raise BadValueError("no samples to prepare: give at least one")
        pixels = torch.from_numpy(
            square_pixels([sample.image for sample in samples], self.img_size)
        )
        device = next((weight.device for weight in self.parameters()), pixels.device)
        images = normalise(pixels.to(device))
        return self._one_channel(images) if self.channels == 1 else images

    @property
    def weight(self) -> Tensor:
        """Weights of the linear layer, (K, groups * C); groups is 2 for AVG_MAX, 3 for AVG_MAX_LSE, else 1."""
        return self.head.weight

    @property
    def bias(self) -> Tensor:
        """Bias of the linear layer, (K,)."""
        return self.head.bias

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N,K) in float32, before any sigmoid or softmax, of normalised images (N,3,H,W)."""
        return self.head(self.features(images))

    def predict(self, images: Tensor) -> Tensor:
        """Return logits (N,K) of images (N,3,H,W) whose sigmoids are the probabilities, also after a softmax."""
        return self.head.predicted(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        """Return A, the feature map (N,C,h,w) that is pooled, of images (N,3,H,W) or (N,1,H,W).

        A is the output of the last non-linearity and of the attention, and it is not modified in place later. One grey
        channel is repeated to three. Raises ``BadValueError`` for any other shape.
        """
        A = self.extractor(self._as_input(images))
        return A if self.attention is None else self.attention(A)

    def class_maps(self, A: Tensor) -> Tensor:
        """Apply the classifier's weights at every position of (N,C,h,w), without bias: (N,K,h,w).

        Raises ``NotAvailableError`` if a wrapped head is not one linear layer over pooled features.
        """
        return self.head.class_maps(A)

    def grid(self, size: tuple[int, int], layer: str | None = None) -> Grid:
        """Return the grid of A, or of an earlier ``layer``, for inputs of ``size`` (H, W) pixels.

        Computed once per size and layer. Does not change mode, buffers, gradients or hooks.
        """
        size = (int(size[0]), int(size[1]))
        if (size, layer) not in self._grids:
            locate = self._locate or grids.locator(self.extractor, self.channels)
            self._grids[size, layer] = (
                locate(size) if layer is None else self._layer_grid(layer, size)
            )
        return self._grids[size, layer]

    def _layer_grid(self, layer: str, size: tuple[int, int]) -> Grid:
        """Return the grid of a layer: that of its tokens, of a wrapped network measured, else by arithmetic."""
        part = Extractor(self, layers.path(self, layer))
        if isinstance(self.extractor, TokensOf):
            A = layers.map_of(self, layer, grids.features(part, size, self.channels), size)
            return self.extractor.grid(size, (A.shape[-2], A.shape[-1]))
        if isinstance(self.extractor, Extractor):
            return grids.measured(self, part, size, self.channels)
        return grids.locator(part, self.channels)(size)

    def token_layout(self, size: tuple[int, int]) -> TokenLayout:
        """Return which tokens of images of ``size`` (H, W) are patches and which the head reads; cached per size.

        Raises ``NotAvailableError`` for a network without such tokens.
        """
        layout = self._token_layouts.get(size) or find_token_layout(self, size)
        if layout.read_weights.any():  # an untrained head reads none yet
            self._token_layouts[size] = layout
        return layout

    def _as_input(self, images: Tensor) -> Tensor:
        if images.ndim == 4 and images.shape[1] == 1 and self.channels == 3:
            images = images.expand(-1, 3, -1, -1)
        if images.ndim == 4 and images.shape[1] == 3 and self.channels == 1:
            images = self._one_channel(images)
        if images.ndim != 4 or images.shape[1] != self.channels:
            raise BadValueError(
                f"images have shape {tuple(images.shape)}: give (N, {self.channels}, H, W)"
            )
        return images if self.rescale is None else self.rescale(images)

    def _one_channel(self, images: Tensor) -> Tensor:
        """Return the first of three equal grey channels; of a network without statistics, normalised as one channel."""
        one = images[:, :1]
        return one if self.rescale is not None else _GRAY(one)


_GRAY: Any = normalised(GRAY_MEAN, GRAY_STD, 1)
