"""Activations, logits and gradients at an earlier layer; the rest of the network serves as the head."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NoReturn

import torch
from torch import Tensor

from backbones import levels
from backbones.probe import evaluating
from benchmark.engine import memory
from benchmark.engine.base import ExplainRequest, MapEngine
from benchmark.engine.modes import no_grad_no_autocast
from benchmark.engine.pooled import jacobian_per_finding
from core.errors import NotAvailableError
from methods.evidence import Evidence
from methods.gradients import Dense, Gradients


def compute_evidence(request: ExplainRequest, layer: str) -> Evidence:
    """Run one forward pass, recorded from ``layer`` on; each finding's gradient is one backward pass of the tail.

    A batch too large to be recorded at once is split into chunks, each with a second forward pass for its gradients.
    """
    step = memory.recorded_at_once(request.images, request.memory_gib)
    if len(request.images) <= step:
        return _recorded(request, layer)
    pieces = [_recorded(chunk, layer) for chunk in _chunks(request, step)]
    A, logits = torch.cat([piece.A for piece in pieces]), torch.cat([piece.others.logits for piece in pieces])
    engine = ChunkedLayerEngine(request, pieces[0].findings, A, logits, layer, step)
    return replace(pieces[0], images=request.images, engine=engine)


def _chunks(request: ExplainRequest, step: int) -> list[ExplainRequest]:
    return [replace(request, images=images) for images in torch.split(request.images, step)]


def _recorded(request: ExplainRequest, layer: str) -> Evidence:
    model, images = request.model, request.images
    with evaluating(model), request.autocast():
        A, logits = levels.run(model, images, layer)
    findings = request.finding_indices(logits.shape[1])
    return Evidence(
        images=images,
        grid=model.grid((images.shape[-2], images.shape[-1]), layer),
        pooling="",
        findings=findings,
        engine=LayerEngine(request, findings, A, logits, layer),
    )


@dataclass(frozen=True, eq=False)
class LayerEngine(MapEngine):
    """Engine at the output ``A`` of ``layer``; ``logits`` have the graph of the tail."""

    layer: str

    def features_and_logits(self) -> tuple[Tensor, Tensor]:
        """Return A and the logits of the requested findings, without their graph."""
        return self.A.detach(), self.logits.detach()[:, self._columns].float()

    def head(self, features: Tensor) -> Tensor:
        """Return logits (M,K) of the network with its output at the layer replaced by ``features`` (M,C,h,w)."""
        with evaluating(self.request.model):
            return self._tail(features)[:, self._columns]

    @cached_property
    def _tail(self) -> levels.Tail:
        return levels.tail(self.request.model, self.request.images, self.layer)

    def gradients(self) -> Gradients:
        """Return gradients, by one backward pass of the tail per finding."""
        with no_grad_no_autocast(), torch.enable_grad():
            return Dense(jacobian_per_finding(self.logits[:, self._columns], self.A))

    def class_maps(self) -> NoReturn:
        """Raise ``NotAvailableError``: only the pooled map has class maps."""
        raise NotAvailableError(f"the layer {self.layer!r} is not what is pooled: the classifier's weights do not fit")

    def bias(self) -> Tensor:
        """Raise ``NotAvailableError``, as ``class_maps`` does."""
        self.class_maps()

    def drops(self) -> None:
        """Return None: an earlier layer has no closed form."""

    def parts(self, evidence: Evidence) -> Iterator[tuple[slice, Evidence]]:
        """Split the evidence by findings: the images of a batch share one graph."""
        step = max(1, memory.gradients_at_once(self.A, self.request.memory_gib) // len(self.A))
        for k in range(0, len(self.findings), step):
            findings = self.findings[k : k + step]
            engine = replace(self, findings=findings)
            yield slice(0, len(self.A)), replace(evidence, findings=findings, engine=engine)


@dataclass(frozen=True, eq=False)
class ChunkedLayerEngine(LayerEngine):
    """Engine for batches whose graph exceeds the memory budget: runs ``step`` images at a time again."""

    step: int

    def gradients(self) -> Gradients:
        """Return gradients (N,K,C,h,w) of all images, computed chunk by chunk."""
        request = replace(self.request, findings=self.findings)
        recordings = (_recorded(chunk, self.layer) for chunk in _chunks(request, self.step))
        return Dense(torch.cat([recording.gradients.full() for recording in recordings]))

    def parts(self, evidence: Evidence) -> Iterator[tuple[slice, Evidence]]:
        """Split the evidence by chunks, each with the slice of its images in the batch."""
        request = replace(self.request, findings=self.findings)
        for n, chunk in enumerate(_chunks(request, self.step)):
            recorded = _recorded(chunk, self.layer)
            for _, piece in recorded.engine.parts(recorded):
                yield slice(n * self.step, n * self.step + len(recorded.images)), piece
