"""Base classes of the engines, and the request that they answer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor
from torch.func import functional_call
from tqdm import tqdm

from backbones.probe import evaluating
from benchmark.engine import attention, full_gradients, memory
from benchmark.engine.modes import Autocast, no_grad_no_autocast
from core.errors import BadValueError, NotAvailableError
from core.frames import Grid
from methods.attention import Attention
from methods.evidence import Evidence, Pass

if TYPE_CHECKING:
    from backbones import Classifier


@dataclass(frozen=True, eq=False)
class ExplainRequest:
    """A batch, a model and the findings to explain."""

    model: "Classifier"
    images: Tensor
    """(N,3,H,W)."""
    findings: tuple[int, ...] | None
    """Indices of the model's outputs; None for all, before their number is known."""
    memory_gib: float
    progress: bool
    autocast: Autocast
    """Precision of forward passes."""
    compute_evidence: Callable[["ExplainRequest", str | None], Evidence]
    """Function (request, layer) -> evidence at that layer."""

    def finding_indices(self, count: int) -> tuple[int, ...]:
        """Return the findings of a model with ``count`` outputs. Raises ``BadValueError`` for an index out of range.

        Negative indices are invalid.
        """
        chosen = tuple(range(count)) if self.findings is None else self.findings
        wrong = [finding for finding in chosen if finding not in range(count)]
        if wrong or not chosen:
            raise BadValueError(f"findings {wrong or '(none)'} are not among the model's outputs 0 … {count - 1}")
        return chosen


@dataclass(frozen=True, eq=False)
class BaseEngine:
    """Operations on the whole network, independent of the layer."""

    request: ExplainRequest
    findings: tuple[int, ...]

    @property
    def _columns(self) -> list[int]:
        return list(self.findings)

    def network(self, images: Tensor) -> Tensor:
        """Return logits (M,K) in float32 of images (M,3,H,W), differentiable in the images.

        For methods that modify the image: ``saliency``, ``rise``, ``occlusion``.
        """
        with evaluating(self.request.model):
            logits = functional_call(self.request.model, self._weights, (memory.channels_last_on_cpu(images),))
        return logits[:, self._columns]

    def sweep(self, count: int, render: Callable[[slice], Tensor]) -> Tensor:
        """Return logits (count,K) of images rendered batch by batch, under the caller's autocast."""
        request = self.request
        step = memory.sweep_at_once(request.images, request.memory_gib)
        batches = [torch.empty(0, len(self.findings), device=request.images.device)]
        hidden = None if request.progress else True
        bar = tqdm(total=count, desc="forward passes", unit="image", leave=False, delay=2, disable=hidden)
        with bar, no_grad_no_autocast(), evaluating(request.model):
            for start in range(0, count, step):
                images = memory.channels_last_on_cpu(render(slice(start, min(start + step, count))))
                with request.autocast():
                    logits = functional_call(request.model, self._weights, (images,))
                batches.append(logits[:, self._columns].float())
                bar.update(len(images))
        return torch.cat(batches)

    @cached_property
    def _weights(self) -> dict[str, Tensor]:
        """Return the convolutions' weights in the images' memory format, without changing the model."""
        weights = self.request.model.named_parameters()
        return {name: memory.channels_last_on_cpu(value.detach()) for name, value in weights if value.ndim == 4}

    def at(self, layer: str | None) -> Evidence:
        """Return evidence of the same images and findings at another layer, by one more forward pass (cached).

        Raises ``BadValueError`` with the available layers for an unknown layer.
        """
        if layer not in self._evidence_by_layer:
            request = replace(self.request, findings=self.findings)
            self._evidence_by_layer[layer] = request.compute_evidence(request, layer)
        return self._evidence_by_layer[layer]

    @cached_property
    def _evidence_by_layer(self) -> dict[str | None, Evidence]:
        return {}

    def for_images(self, images: Tensor) -> Evidence:
        """Return evidence for other images, by one more forward pass.

        Raises ``NotAvailableError`` if the network does not accept their size.
        """
        try:
            request = replace(self.request, images=images, findings=self.findings)
            return request.compute_evidence(request, getattr(self, "layer", None))
        except (RuntimeError, ValueError, TypeError) as error:
            side = f"{images.shape[-2]}x{images.shape[-1]}"
            raise NotAvailableError(f"this network takes no images of {side} pixels: {error}") from error

    def patch_size(self) -> int:
        """Return a transformer's patch size in pixels; 1 for any other network."""
        return int(getattr(self.request.model.extractor, "patch", 1))

    def attention(self) -> Sequence[Attention]:
        """Return the attention of every block, by a separate pass on first access; the same at every layer."""
        request = self.request
        return attention.parts(request.model, request.images, self.findings, request.memory_gib, request.autocast)

    def full_gradients(self, image: Tensor) -> Iterator[list[tuple[Grid, Tensor]]]:
        """Yield the terms of FullGrad for one image, by a separate pass; the same at every layer."""
        return full_gradients.terms(self.request.model, image, self.findings)

    def grid_at(self, layer: str | None) -> Grid:
        """Return the grid of ``layer``."""
        return self.request.model.grid((self.request.images.shape[-2], self.request.images.shape[-1]), layer)

    def max_batch(self, what: Pass) -> int:
        """See ``methods.evidence.Evidence.max_batch``; by default the head counts as the whole network."""
        count = memory.recorded_at_once if what == "backward" else memory.images_at_once
        return count(self.request.images, self.request.memory_gib)


@dataclass(frozen=True, eq=False)
class MapEngine(BaseEngine):
    """An engine with the results of a forward pass at one feature map."""

    A: Tensor
    """The feature map, (N,C,h,w)."""
    logits: Tensor
    """Logits of the network, (N, all findings)."""

    def others(self) -> tuple[tuple[int, ...], Self]:
        """Return all findings, and an engine for them on the same forward pass."""
        findings = tuple(range(self.logits.shape[1]))
        return findings, replace(self, findings=findings)
