"""Evidence at the pooled feature map, whose gradients only need the head of the classifier, and at earlier layers."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from backbones import layer_split
from backbones.probe import evaluating
from benchmark.explain import memory
from benchmark.explain.modes import no_grad_no_autocast
from benchmark.explain.network import NetworkEvidence
from core.errors import NotAvailableError
from methods.evidence import Pass
from methods.gradients import Dense, Factored, Gradients


def _precision(model: nn.Module) -> torch.dtype:
    return next((weight.dtype for weight in model.parameters()), torch.float32)


@dataclass(frozen=True, eq=False)
class PooledEvidence(NetworkEvidence):
    """Evidence at the pooled map, the output of ``model.features``."""

    @cached_property
    def pooling(self) -> str:
        """Name of the model's pooling."""
        return self.model.pooling

    def compute(self) -> tuple[Tensor, Tensor]:
        """Return the pooled map (N,C,h,w) and all logits, in batches that fit in memory."""
        parts = torch.split(self.images, memory.images_that_fit(self.images, self.memory_gib))
        with evaluating(self.model):
            with self.autocast():
                features = [self.model.features(memory.channels_last_if_on_cpu(part)) for part in parts]
            A = torch.cat(features).float().contiguous()
            return A, self.model.head(A.to(_precision(self.model))).float()

    def head(self, features: Tensor) -> Tensor:
        """Return the logits (M,K) float32 of maps (M,C,h,w), computed in the precision of the weights."""
        with evaluating(self.model):
            return self.model.head(features.to(_precision(self.model)))[:, self._columns].float()

    def max_batch(self, what: Pass) -> int:
        """Return the number of feature maps for the head; for other passes as at any layer."""
        return memory.head_batch_size(self.A, self.memory_gib) if what == "head" else super().max_batch(what)

    @cached_property
    def gradients(self) -> Gradients:
        """Gradients in closed form if the head has one, else from one vectorised backward pass of the head."""
        with no_grad_no_autocast(), evaluating(self.model):
            factors = self.model.head.factors(self.A)
        if factors is None:
            A = self.A.detach().requires_grad_()
            with no_grad_no_autocast(), torch.enable_grad():
                return Dense(jacobian_batched(self.head(A), A))
        w, D = factors
        return Factored(w[self._columns], D if D.shape[1] == 1 else D[:, self._columns])

    @cached_property
    def class_maps(self) -> Tensor:
        """Class maps of the requested findings, (N,K,h,w)."""
        with no_grad_no_autocast(), evaluating(self.model):
            return self.model.class_maps(self.A)[:, self._columns]

    @cached_property
    def bias(self) -> Tensor:
        """The classifier's bias for the requested findings, (K,)."""
        return self.model.bias.detach()[self._columns]

    @cached_property
    def ablation_drops(self) -> Tensor | None:
        """Drops of the logits without each channel, (N,K,C), in closed form; None if the head has none."""
        with no_grad_no_autocast(), evaluating(self.model):
            drops: Tensor | None = self.model.head.ablated_drops(self.A)
        return None if drops is None else drops[:, self._columns]

    def parts(self) -> Iterator[tuple[slice, "PooledEvidence"]]:
        """Yield slices of the images with their part of the evidence; its gradients fit in memory."""
        max_pairs = memory.gradient_pairs_that_fit(self.A, self.memory_gib)
        images, findings = max(1, max_pairs // len(self.findings)), min(max_pairs, len(self.findings))
        for i in range(0, len(self.A), images):
            rows = slice(i, min(i + images, len(self.A)))
            part = replace(self, images=self.images[rows], given_outputs=(self.outputs[0][rows], self.outputs[1][rows]))
            for k in range(0, len(self.findings), findings):
                yield rows, replace(part, requested=self.findings[k : k + findings])


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
        return memory.backward_batch_size(self.images, self.memory_gib)

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
        step = max(1, memory.gradient_pairs_that_fit(self.A, self.memory_gib) // len(self.A))
        for k in range(0, len(self.findings), step):
            part = replace(self, requested=self.findings[k : k + step], given_outputs=self.outputs)
            yield slice(0, len(self.A)), part


def jacobian_batched(logits: Tensor, A: Tensor) -> Tensor:
    """Return the gradients (N,K,C,h,w) of logits (N,K) from one vectorised backward pass, or from K without vmap.

    ``logits`` must depend on ``A`` through a graph, which is retained.

    >>> A = torch.tensor([[[[2.0]]]], requires_grad=True)
    >>> jacobian_batched(torch.cat([A.flatten(1), 3 * A.flatten(1)], dim=1), A).flatten().tolist()
    [1.0, 3.0]
    """
    n, k = logits.shape
    directions = torch.eye(k, device=A.device, dtype=logits.dtype).unsqueeze(1).expand(k, n, k)
    try:
        (G,) = torch.autograd.grad(logits, A, directions, retain_graph=True, is_grads_batched=True)
    except RuntimeError:
        return jacobian_per_finding(logits, A)
    return G.transpose(0, 1)  # (K, N, C, h, w) -> (N, K, C, h, w)


def jacobian_per_finding(logits: Tensor, A: Tensor) -> Tensor:
    """Return the gradients (N,K,C,h,w) of logits (N,K) from one backward pass per finding: slower, but less memory."""
    return torch.stack([torch.autograd.grad(logit.sum(), A, retain_graph=True)[0] for logit in logits.unbind(1)], dim=1)
