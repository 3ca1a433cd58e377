"""What every method is given: a batch, and what one forward pass through the model told about it.

Letters of the papers: ``A`` is the feature map that is pooled, (N,C,h,w), after the last non-linearity; ``S`` the
logits, (N,K); ``G`` = dS/dA, (N,K,C,h,w), never the gradient of a probability, which vanishes where a model is sure.
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
"""Feature maps; gradients of the logits; the head's own weights; evaluations of the head; forward passes; gradients of
the pixels; a transformer's attention; the findings that were not asked for."""
Pass = Literal["head", "forward", "backward"]


class Engine(Protocol):
    """What evidence asks for when a method does: each answer is for one batch and the findings asked for."""

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
        """The positions of all findings, and an engine for them."""

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
        """Which of the images, and the part of the evidence: images and findings whose G fit in memory."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What one forward pass through a model tells about a batch; the same object serves every method."""

    images: Tensor
    """(N,3,H,W) float32, normalised: the network's input."""
    grid: Grid
    """Where the positions of ``A`` look in the network's input."""
    pooling: str
    """The word of the model's pooling; empty for a wrapped head and at another layer."""
    findings: tuple[int, ...]
    """Position of each of the K findings among the model's outputs."""
    engine: Engine

    @cached_property
    def A(self) -> Tensor:  # noqa: N802
        """(N,C,h,w) float32, contiguous: what is pooled (at another layer: that layer's output)."""
        return self.engine.features_and_logits()[0]

    @cached_property
    def logits(self) -> Tensor:
        """(N,K) float32, of the findings asked for."""
        return self.engine.features_and_logits()[1]

    @cached_property
    def gradients(self) -> Gradients:
        """Gradients of the logits with respect to ``A``, with the sums that methods take; made when first asked for."""
        return self.engine.gradients()

    @cached_property
    def G(self) -> Tensor:  # noqa: N802
        """(N,K,C,h,w) float32: the gradients as one tensor, K times as large as ``A``."""
        return self.gradients.full()

    @cached_property
    def class_maps(self) -> Tensor:
        """(N,K,h,w) the classifier's own weights at every position, without bias. Raises where there are none."""
        return self.engine.class_maps()

    @cached_property
    def bias(self) -> Tensor:
        """(K,) bias of the linear head. Raises ``NotAvailableError`` where the head is of unknown inside."""
        return self.engine.bias()

    @cached_property
    def drops(self) -> Tensor | None:
        """(N,K,C) S_k - S_k with A_c = 0, in closed form; None where only the head itself can tell."""
        return self.engine.drops()

    @cached_property
    def attention(self) -> Sequence[Attention]:
        """A transformer's attention and its gradients, for as many of the images at a time as fit in memory.

        Raises ``NotAvailableError``, with the reason, for a network without rows to follow (:mod:`methods.attention`).
        """
        return self.engine.attention()

    @cached_property
    def others(self) -> "Evidence":
        """The same evidence about all findings of the model, in its order, those that were not asked for too."""
        findings, engine = self.engine.others()
        return replace(self, findings=findings, engine=engine)

    def head(self, features: Tensor) -> Tensor:
        """(M,C,h,w), any M -> (M,K) logits, differentiable. At another layer the network's tail from there on."""
        return self.engine.head(features)

    def network(self, images: Tensor) -> Tensor:
        """(M,3,H,W), any M -> (M,K) logits of the whole model in evaluation mode, differentiable in the images."""
        return self.engine.network(images)

    def sweep(self, count: int, render: Callable[[slice], Tensor]) -> Tensor:
        """(count,K) logits of ``count`` images that never exist at once: ``render(slice)`` gives (m,3,H,W) of them."""
        return self.engine.sweep(count, render)

    def full_gradients(self, image: Tensor) -> Iterator[list[tuple[Grid, Tensor]]]:
        """For each finding what the pixels of an ``image`` (N,3,H,W) add to the logit, and each layer's bias.

        (N,C,h,w), signed, each on its own grid. Raises ``NotAvailableError`` for a network where this is not all.
        """
        return self.engine.full_gradients(image)

    def for_images(self, images: Tensor) -> "Evidence":
        """The same findings of other images (N,3,H,W), of any size that the network takes; else not available."""
        return self.engine.for_images(images)

    @property
    def patch_size(self) -> int:
        """What the sides of its images are multiples of: a transformer's patch, else 1."""
        return self.engine.patch_size()

    def at(self, layer: str | None) -> "Evidence":
        """The same images and findings at another layer; None is the pooled map."""
        return self.engine.at(layer)

    def grid_at(self, layer: str | None) -> Grid:
        """The grid of another layer; runs no network."""
        return self.engine.grid_at(layer)

    def max_batch(self, what: Pass) -> int:
        """How many feature maps (``head``) or images (a pass) the memory budget allows at once, 1 at least."""
        return self.engine.max_batch(what)

    @property
    def pixel_grid(self) -> Grid:
        """The grid of a map with one position per pixel of the input."""
        return Grid((self.images.shape[-2], self.images.shape[-1]), (1, 1), (0, 0))
