"""Classifier that all methods explain: features (with attention), head, class maps and grid."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor, nn

from backbones import layer_split, layers
from backbones.geometry import locator
from backbones.head import Head
from backbones.rescaled import normalise
from backbones.token_layout import TokenLayout, find_token_layout
from core.errors import BadValueError
from core.frames import Grid, square_pixels
from core.names import duplicates
from core.types import Sample


class Classifier(layers.Network):
    """Network with ``model(images) == model.head(model.features(images))``.

    Letters: N images, K findings, C channels, h w positions of the feature map, H W pixels of the network's input; A is
    the feature map (N,C,h,w) that is pooled. A *wrapped* network was not made by ``backbones.build``:
    ``backbones.wrap`` made it from a user's own module.
    """

    layer: str | None = None
    """Layer that is explained by default; None: the feature map that is pooled."""
    findings: tuple[str, ...] = ()
    """Names of the outputs, in order; empty if unknown."""
    img_size: int | None = None
    """Side of the square input images in pixels; None if unknown."""
    train_config: Any = None
    """``config.TrainConfig`` of the training run if the model was loaded from one, else None."""

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
        self.build_options = build_options
        """Options (JSON-able) from which :mod:`backbones.build_from_config` rebuilds this architecture: normally those
        of ``backbones.build``; None if wrapped. ``pretrained`` is always False: a checkpoint has the weights."""
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
        """Names of the layers before the pooled map, in forward order; see :mod:`backbones.layers`.

        Empty for a wrapped network. Other submodules can be selected by their dotted names in the original network.
        """
        return layers.earlier_layers(self, self._declared_layers)

    def set_outputs(self, findings: Sequence[str] = (), img_size: int | None = None) -> Self:
        """Set the names of the outputs and the side of the images, if given, and return the model.

        Raises ``BadValueError`` if the names do not match the outputs, a name is repeated or the side is below 1.
        """
        if isinstance(findings, str):
            raise BadValueError(f"findings must be a list of names, one per output, not the string {findings!r}")
        if findings and self.num_classes not in (None, len(findings)):
            raise BadValueError(f"{len(findings)} findings for {self.num_classes} outputs: give one name per output")
        if twice := duplicates(findings):
            raise BadValueError(f"findings has {', '.join(twice)} more than once: give each output its own name")
        if img_size is not None and img_size < 1:
            raise BadValueError(f"img_size is {img_size}: give the side of the images in pixels, such as 224")
        self.findings, self.img_size = tuple(findings) or self.findings, img_size or self.img_size
        return self

    def prepare(self, samples: Sequence[Sample]) -> Tensor:
        """Load the images of samples as input of the network.

        Returns:
            (N,3,S,S) float32 on the device of its weights, S = ``img_size``: resized to a square, then normalised.

        Raises:
            BadValueError: no samples, or no ``img_size``. DataError: an image that cannot be decoded.
        """
        if self.img_size is None:
            raise BadValueError("the image size of this model is unknown: set model.img_size, for example to 224")
        if not len(samples):
            raise BadValueError("no samples to prepare: give at least one")
        pixels = torch.from_numpy(square_pixels([sample.image for sample in samples], self.img_size))
        device = next((weight.device for weight in self.parameters()), pixels.device)
        return normalise(pixels.to(device))

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
            locate = self._locate or locator(self.extractor, self.channels)
            self._grids[size, layer] = locate(size) if layer is None else layer_split.grid(self, layer, size)
        return self._grids[size, layer]

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
        if images.ndim == 4 and images.shape[1] == 3 and self.channels == 1 and self.rescale is not None:
            images = images[:, :1]  # three equal channels, each normalised separately
        if images.ndim != 4 or images.shape[1] != self.channels:
            raise BadValueError(f"images have shape {tuple(images.shape)}: give (N, {self.channels}, H, W)")
        return images if self.rescale is None else self.rescale(images)
