"""Activations, logits and gradients at the pooled feature map; gradients only need the head of the classifier."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from backbones.probe import evaluating
from benchmark.explain import memory
from benchmark.explain.modes import no_grad_no_autocast
from benchmark.explain.network import NetworkEvidence
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
        parts = torch.split(self.images, memory.images_at_once(self.images, self.memory_gib))
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
        return memory.maps_at_once(self.A, self.memory_gib) if what == "head" else super().max_batch(what)

    @cached_property
    def gradients(self) -> Gradients:
        """Gradients in closed form if the head has one, else from one vectorised backward pass of the head."""
        with no_grad_no_autocast(), evaluating(self.model):
            factors = self.model.head.factors(self.A)
        if factors is None:
            return Dense(self._jacobian())
        w, D = factors
        return Factored(w[self._columns], D if D.shape[1] == 1 else D[:, self._columns])

    def _jacobian(self) -> Tensor:
        with no_grad_no_autocast(), torch.enable_grad():
            A = self.A.detach().requires_grad_()
            return jacobian_batched(self.head(A), A)

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
        max_pairs = memory.gradients_at_once(self.A, self.memory_gib)
        images, findings = max(1, max_pairs // len(self.findings)), min(max_pairs, len(self.findings))
        for i in range(0, len(self.A), images):
            rows = slice(i, min(i + images, len(self.A)))
            part = replace(self, images=self.images[rows], given_outputs=(self.outputs[0][rows], self.outputs[1][rows]))
            for k in range(0, len(self.findings), findings):
                yield rows, replace(part, requested=self.findings[k : k + findings])


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
