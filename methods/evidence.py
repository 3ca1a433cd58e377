"""Evidence: the input of every method, a batch with the results of one forward pass through the model.

Letters follow the papers: ``A`` is the pooled feature map, (N,C,h,w), after the last non-linearity; ``S`` are the
logits, (N,K); ``G`` = dS/dA, (N,K,C,h,w), never the gradient of a probability, which vanishes for confident models.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Protocol

from torch import Tensor

from core.frames import Grid
from methods.attention import Attention
from methods.gradients import Gradients

NEEDS = frozenset({"features", "gradients", "class_maps", "head", "forwards", "pixels", "attention", "others"})
"""Feature maps; gradients of the logits; class maps from the head's weights; evaluations of the head; forward passes;
gradients of the pixels; a transformer's attention; the findings that were not requested."""
Pass = Literal["head", "forward", "backward"]


class Engine(Protocol):
    """Interface of the engine behind ``Evidence``, for one batch and the requested findings."""

    def features_and_logits(self) -> tuple[Tensor, Tensor]:
        """``Evidence.A`` and ``Evidence.logits``."""

    def head(self, features: Tensor) -> Tensor:
        """See ``Evidence.head``."""

    def network(self, images: Tensor) -> Tensor:
        """See ``Evidence.network``."""

    def sweep(self, count: int, render: Callable[[slice], Tensor]) -> Tensor:
        """See ``Evidence.sweep``."""

    def gradients(self) -> Gradients:
        """See ``Evidence.gradients``."""

    def class_maps(self) -> Tensor:
        """See ``Evidence.class_maps``."""

    def bias(self) -> Tensor:
        """See ``Evidence.bias``."""

    def drops(self) -> Tensor | None:
        """See ``Evidence.drops``."""

    def attention(self) -> Sequence[Attention]:
        """See ``Evidence.attention``."""

    def full_gradients(self, image: Tensor) -> Iterator[list[tuple[Grid, Tensor]]]:
        """See ``Evidence.full_gradients``."""

    def others(self) -> "tuple[tuple[int, ...], Engine]":
        """Return the positions of all findings, and an engine for them."""

    def for_images(self, images: Tensor) -> "Evidence":
        """See ``Evidence.for_images``."""

    def patch_size(self) -> int:
        """See ``Evidence.patch_size``."""

    def at(self, layer: str | None) -> "Evidence":
        """See ``Evidence.at``."""

    def grid_at(self, layer: str | None) -> Grid:
        """See ``Evidence.grid_at``."""

    def max_batch(self, what: Pass) -> int:
        """See ``Evidence.max_batch``."""

    def parts(self, evidence: "Evidence") -> Iterator[tuple[slice, "Evidence"]]:
        """Yield slices of the images with their part of the evidence, small enough for G to fit in memory."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Results of one forward pass through a model for a batch, shared by all methods and computed on first access."""

    images: Tensor
    """(N,3,H,W) float32, normalised: the network's input."""
    grid: Grid
    """Locations of the positions of ``A`` in the network's input."""
    pooling: str
    """Name of the model's pooling; empty for a wrapped head and at another layer."""
    findings: tuple[int, ...]
    """Index of each of the K findings among the model's outputs."""
    engine: Engine

    @cached_property
    def A(self) -> Tensor:  # noqa: N802
        """The pooled feature map (at another layer: that layer's output), (N,C,h,w) float32, contiguous."""
        return self.engine.features_and_logits()[0]

    @cached_property
    def logits(self) -> Tensor:
        """Logits of the requested findings, (N,K) float32."""
        return self.engine.features_and_logits()[1]

    @cached_property
    def gradients(self) -> Gradients:
        """Gradients of the logits with respect to ``A``, with the sums that methods need."""
        return self.engine.gradients()

    @cached_property
    def G(self) -> Tensor:  # noqa: N802
        """The gradients as one tensor, K times as large as ``A``: (N,K,C,h,w) float32."""
        return self.gradients.full()

    @cached_property
    def class_maps(self) -> Tensor:
        """The classifier's weights applied at every position, without bias, (N,K,h,w). Raises if there are none."""
        return self.engine.class_maps()

    @cached_property
    def bias(self) -> Tensor:
        """Bias of the linear head, (K,). Raises ``NotAvailableError`` if the head is opaque."""
        return self.engine.bias()

    @cached_property
    def drops(self) -> Tensor | None:
        """S_k - S_k with A_c = 0 in closed form, (N,K,C); None if the head has no closed form."""
        return self.engine.drops()

    @cached_property
    def attention(self) -> Sequence[Attention]:
        """A transformer's attention and its gradients, in batches of images that fit in memory.

        Raises ``NotAvailableError`` with the reason for a network without global attention (:mod:`methods.attention`).
        """
        return self.engine.attention()

    @cached_property
    def others(self) -> "Evidence":
        """The same evidence for all findings of the model, in its order, requested or not."""
        findings, engine = self.engine.others()
        return replace(self, findings=findings, engine=engine)

    def head(self, features: Tensor) -> Tensor:
        """Return logits (M,K) of feature maps (M,C,h,w), differentiable. At another layer: the rest of the network."""
        return self.engine.head(features)

    def network(self, images: Tensor) -> Tensor:
        """Return logits (M,K) of images (M,3,H,W) by the whole model in evaluation mode, differentiable."""
        return self.engine.network(images)

    def sweep(self, count: int, render: Callable[[slice], Tensor]) -> Tensor:
        """Return logits (count,K) of ``count`` images rendered batch by batch: ``render(slice)`` returns (m,3,H,W)."""
        return self.engine.sweep(count, render)

    def full_gradients(self, image: Tensor) -> Iterator[list[tuple[Grid, Tensor]]]:
        """Yield, for each finding, the contributions of the pixels of ``image`` (N,3,H,W) and of each layer's bias.

        Terms are signed, (N,C,h,w), each with its grid. Raises ``NotAvailableError`` if they do not sum to the logit.
        """
        return self.engine.full_gradients(image)

    def for_images(self, images: Tensor) -> "Evidence":
        """Return evidence of the same findings for other images (N,3,H,W), of any size that the network accepts."""
        return self.engine.for_images(images)

    @property
    def patch_size(self) -> int:
        """Divisor of the sides of the images: a transformer's patch size, else 1."""
        return self.engine.patch_size()

    def at(self, layer: str | None) -> "Evidence":
        """Return evidence of the same images and findings at another layer; None is the pooled map."""
        return self.engine.at(layer)

    def grid_at(self, layer: str | None) -> Grid:
        """Return the grid of another layer, without running the network."""
        return self.engine.grid_at(layer)

    def max_batch(self, what: Pass) -> int:
        """Return how many feature maps (``head``) or images (a pass) fit in the memory budget, at least 1."""
        return self.engine.max_batch(what)

    @property
    def pixel_grid(self) -> Grid:
        """Grid of a map with one position per pixel of the input."""
        return Grid((self.images.shape[-2], self.images.shape[-1]), (1, 1), (0, 0))
