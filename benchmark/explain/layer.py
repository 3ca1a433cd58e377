"""Evidence at an earlier layer; the rest of the network serves as the head."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from backbones import layer_split
from backbones.probe import evaluating
from benchmark.explain import memory
from benchmark.explain.modes import no_grad_no_autocast
from benchmark.explain.network import NetworkEvidence
from benchmark.explain.pooled import jacobian_per_finding
from core.errors import NotAvailableError
from methods.gradients import Dense, Gradients


@dataclass(frozen=True, eq=False)
class LayerEvidence(NetworkEvidence):
    """Evidence at the output of ``layer``: each gradient is a backward pass of the layers behind it.

    A batch whose graph exceeds the memory is split into chunks; each needs a second forward pass for its gradients.
    """

    layer: str
    pooling = ""
    ablation_drops = None

    def compute(self) -> tuple[Tensor, Tensor]:
        """Return the output of the layer and all logits, from one forward pass with a graph from the layer on."""
        if len(self.images) > self._step:
            A, logits = zip(*((chunk.A, chunk.outputs[1].detach()) for chunk in self._chunks()), strict=True)
            return torch.cat(A), torch.cat(logits)
        with evaluating(self.model), self.autocast():
            return layer_split.run(self.model, self.images, self.layer)

    @property
    def _step(self) -> int:
        return memory.recorded_at_once(self.images, self.memory_gib)

    def _chunks(self) -> "Iterator[LayerEvidence]":
        """Yield evidence of ``_step`` images at a time, so that the graph of one chunk is in memory."""
        return (replace(self, images=images).run() for images in torch.split(self.images, self._step))

    def head(self, features: Tensor) -> Tensor:
        """Return the logits (M,K) with the output of the layer replaced by ``features`` (M,C,h,w)."""
        with evaluating(self.model):
            return self._tail(features)[:, self._columns]

    @cached_property
    def _tail(self) -> layer_split.Tail:
        return layer_split.tail(self.model, self.images, self.layer)

    @cached_property
    def gradients(self) -> Gradients:
        """Gradients, from one backward pass per finding."""
        if len(self.images) > self._step:
            return Dense(torch.cat([chunk.gradients.full() for chunk in self._chunks()]))
        A, logits = self.outputs
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
        """Split a batch into its chunks, and each by findings, because the images of a chunk share one graph."""
        if len(self.images) > self._step:
            for n, chunk in enumerate(self._chunks()):
                rows = slice(n * self._step, n * self._step + len(chunk.images))
                yield from ((rows, part) for _, part in chunk.parts())
            return
        step = max(1, memory.gradients_at_once(self.A, self.memory_gib) // len(self.A))
        for k in range(0, len(self.findings), step):
            part = replace(self, requested=self.findings[k : k + step], given_outputs=self.outputs)
            yield slice(0, len(self.A)), part
