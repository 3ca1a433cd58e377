"""Evidence at an earlier layer; the rest of the network serves as the head."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from backbones import levels
from backbones.probe import evaluating
from benchmark.explain import memory
from benchmark.explain.modes import no_grad_no_autocast
from benchmark.explain.network import ExplainRequest, NetworkEvidence
from benchmark.explain.pooled import jacobian_per_finding
from core.errors import NotAvailableError
from methods.gradients import Dense, Gradients


def compute_evidence(request: ExplainRequest, layer: str) -> NetworkEvidence:
    """Run one forward pass with a graph from ``layer`` on; each gradient is a backward pass of the layers behind it.

    A batch whose graph exceeds the memory is split into chunks; each needs a second forward pass for its gradients.
    """
    step = memory.recorded_at_once(request.images, request.memory_gib)
    if len(request.images) <= step:
        return _recorded(request, layer)
    chunks = [_recorded(chunk, layer) for chunk in _chunks(request, step)]
    recorded = torch.cat([chunk.A for chunk in chunks]), torch.cat([chunk.recorded[1].detach() for chunk in chunks])
    first = chunks[0]
    return ChunkedLayerEvidence(
        request.images, first.grid, first.pooling, first.findings, request, layer, recorded, step
    )


def _chunks(request: ExplainRequest, step: int) -> list[ExplainRequest]:
    return [replace(request, images=images) for images in torch.split(request.images, step)]


def _recorded(request: ExplainRequest, layer: str) -> "LayerEvidence":
    model, images = request.model, request.images
    with evaluating(model), request.autocast():
        recorded = levels.run(model, images, layer)
    findings, size = request.finding_indices(recorded[1].shape[1]), (images.shape[-2], images.shape[-1])
    return LayerEvidence(images, model.grid(size, layer), "", findings, request, layer, recorded)


@dataclass(frozen=True, eq=False)
class LayerEvidence(NetworkEvidence):
    """Evidence at the output of ``layer``."""

    layer: str
    ablation_drops = None

    def head(self, features: Tensor) -> Tensor:
        """Return the logits (M,K) with the output of the layer replaced by ``features`` (M,C,h,w)."""
        with evaluating(self.request.model):
            return self._tail(features)[:, self._columns]

    @cached_property
    def _tail(self) -> levels.Tail:
        return levels.tail(self.request.model, self.request.images, self.layer)

    @cached_property
    def gradients(self) -> Gradients:
        """Gradients, from one backward pass per finding."""
        A, logits = self.recorded
        with no_grad_no_autocast(), torch.enable_grad():
            return Dense(jacobian_per_finding(logits[:, self._columns], A))

    @cached_property
    def class_maps(self) -> Tensor:
        """Raise ``NotAvailableError``: only the pooled map has class maps."""
        raise NotAvailableError(
            f"class maps require the pooled map; they are not available at the layer {self.layer!r}"
        )

    @cached_property
    def bias(self) -> Tensor:
        """Raise ``NotAvailableError``: see ``class_maps``."""
        return self.class_maps

    def parts(self) -> Iterator[tuple[slice, "LayerEvidence"]]:
        """Split the evidence by findings, because the images of a batch share one graph."""
        step = max(1, memory.gradients_at_once(self.A, self.request.memory_gib) // len(self.A))
        for k in range(0, len(self.findings), step):
            yield slice(0, len(self.A)), replace(self, findings=self.findings[k : k + step])


@dataclass(frozen=True, eq=False)
class ChunkedLayerEvidence(LayerEvidence):
    """Evidence of a batch whose graph exceeds the memory budget: runs ``step`` images at a time."""

    step: int

    @cached_property
    def gradients(self) -> Gradients:
        """Gradients (N,K,C,h,w) of all images, computed chunk by chunk."""
        request = replace(self.request, findings=self.findings)
        recordings = (_recorded(chunk, self.layer) for chunk in _chunks(request, self.step))
        return Dense(torch.cat([recording.gradients.full() for recording in recordings]))

    def parts(self) -> Iterator[tuple[slice, LayerEvidence]]:
        """Split the evidence by chunks, each with the slice of its images in the batch."""
        request = replace(self.request, findings=self.findings)
        for n, chunk in enumerate(_chunks(request, self.step)):
            recorded = _recorded(chunk, self.layer)
            for _, piece in recorded.parts():
                yield slice(n * self.step, n * self.step + len(recorded.images)), piece
