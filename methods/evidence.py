"""Evidence, the input of every method: a batch of images and the results of one forward pass through the model.

Letters are those of the papers: ``A`` is the feature map (N,C,h,w) that is pooled, after the last non-linearity; ``S``
are the logits (N,K); ``G`` = dS/dA (N,K,C,h,w) is the gradient of the logit, not of the probability.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, Literal, Protocol

from torch import Tensor

from core.frames import Grid
from methods.attention import Attention
from methods.gradients import Gradients

NEEDS = frozenset({"features", "gradients", "class_maps", "head", "forwards", "pixels", "attention", "all_findings"})
"""Inputs that a method may need: feature maps; gradients of the logits; class maps from the weights of the head;
evaluations of the head; forward passes; gradients of the pixels; attention of a transformer; evidence for all findings
of the model."""
Pass = Literal["head", "forward", "backward"]


class Evidence(Protocol):
    """Results of one forward pass through a model for a batch, shared by all methods and computed on first access."""

    images: Tensor
    """(N,3,H,W) float32, normalised: the network's input."""

    @property
    def grid(self) -> Grid:
        """Grid of ``A`` in the network's input."""

    @property
    def pooling(self) -> str:
        """Name of the model's pooling; empty for an opaque head and at another layer."""

    @property
    def findings(self) -> tuple[int, ...]:
        """Index of each of the K findings among the model's outputs."""

    @property
    def A(self) -> Tensor:  # noqa: N802
        """The pooled feature map (at another layer: that layer's output), (N,C,h,w) float32, contiguous."""

    @property
    def logits(self) -> Tensor:
        """Logits of the requested findings, (N,K) float32."""

    @property
    def gradients(self) -> Gradients:
        """Gradients of the logits with respect to ``A``, with the sums that methods need."""

    @property
    def class_maps(self) -> Tensor:
        """Weights of the classifier applied at every position, without bias, (N,K,h,w).

        Raises ``NotAvailableError`` if the head is opaque.
        """

    @property
    def bias(self) -> Tensor:
        """Bias of the linear head, (K,). Raises ``NotAvailableError`` if the head is opaque."""

    @property
    def ablation_drops(self) -> Tensor | None:
        """S_k - S_k with A_c = 0 in closed form, (N,K,C); None if the head has no closed form."""

    @property
    def attention(self) -> Sequence[Attention]:
        """A transformer's attention and its gradients: one item with all blocks per part of the batch.

        Raises ``NotAvailableError`` with the reason for a network without global attention (:mod:`methods.attention`).
        """

    @property
    def all_findings(self) -> "Evidence":
        """The same evidence for all findings of the model, in its order."""

    @property
    def patch_size(self) -> int:
        """Divisor of the sides of the images: a transformer's patch size, else 1."""

    def head(self, features: Tensor) -> Tensor:
        """Return logits (M,K) of feature maps (M,C,h,w), differentiable. At another layer: the rest of the network."""

    def network(self, images: Tensor) -> Tensor:
        """Return logits (M,K) of images (M,3,H,W) by the whole model in evaluation mode, differentiable."""

    def batched_forward(self, count: int, render: Callable[[slice], Tensor]) -> Tensor:
        """Return logits (count,K) of ``count`` images rendered batch by batch: ``render(slice)`` returns (m,3,H,W)."""

    def full_gradients(self, image: Tensor) -> Iterator[list[tuple[Grid, Tensor]]]:
        """Yield, for each finding, the contributions of the pixels of ``image`` (N,3,H,W) and of each layer's bias.

        Terms are signed, (N,C,h,w), each with its grid. Raises ``NotAvailableError`` if they do not sum to the logit.
        """

    def for_images(self, images: Tensor) -> "Evidence":
        """Return evidence of the same findings for other images (N,3,H,W), of any size that the network accepts."""

    def at(self, layer: str | None) -> "Evidence":
        """Return evidence of the same images and findings at another layer; None is the model's default layer."""

    def grid_at(self, layer: str | None) -> Grid:
        """Return the grid of another layer, without running the network; None is the pooled map."""

    def max_batch(self, what: Pass) -> int:
        """Return how many feature maps (``head``) or images (a pass) fit in the memory budget, at least 1."""

    def parts(self) -> Iterator[tuple[slice, "Evidence"]]:
        """Yield slices of the images with their part of the evidence, small enough for G to fit in memory."""

    @cached_property
    def G(self) -> Tensor:  # noqa: N802
        """The gradients as one tensor, K times as large as ``A``: (N,K,C,h,w) float32."""
        return self.gradients.full()

    @property
    def pixel_grid(self) -> Grid:
        """Grid of a map with one position per pixel of the input."""
        return Grid((self.images.shape[-2], self.images.shape[-1]), (1, 1), (0, 0))


class EvidenceView:
    """View of other evidence in which a subclass overrides some attributes."""

    G, pixel_grid = Evidence.G, Evidence.pixel_grid

    def __init__(self, source: Callable[[], Evidence]) -> None:
        """``source``: returns the evidence to view."""
        self._source = source

    def __getattr__(self, name: str) -> Any:
        """Return the attribute of the evidence that is viewed."""
        return getattr(self._source(), name)
