"""Activations, logits and gradients at the pooled feature map: its gradients need the classifier's head alone."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from backbones.probe import evaluating
from benchmark.engine import memory
from benchmark.engine.base import ExplainRequest, MapEngine
from benchmark.engine.modes import no_grad_no_autocast
from methods.evidence import Evidence, Pass
from methods.gradients import Dense, Factored, Gradients


def compute_evidence(request: ExplainRequest) -> Evidence:
    """One forward pass; gradients, class maps and the rest are made when they are asked for.

    At the pooled map, as ``model.features`` gives it. Raises ``BadValueError`` for a finding that the model does not
    have.
    """
    model, images = request.model, request.images
    with evaluating(model):
        A = _features(request)
        logits = model.head(A.to(_precision(model))).float()
        grid = model.grid((images.shape[-2], images.shape[-1]))
    findings = request.finding_indices(logits.shape[1])
    return Evidence(images, grid, model.pooling, findings, PooledEngine(request, findings, A, logits))


def _features(request: ExplainRequest) -> Tensor:
    parts = torch.split(request.images, memory.images_at_once(request.images, request.memory_gib))
    with request.autocast():
        features = [request.model.features(memory.channels_last_on_cpu(part)) for part in parts]
    return torch.cat(features).float().contiguous()


def _precision(model: nn.Module) -> torch.dtype:
    return next((weight.dtype for weight in model.parameters()), torch.float32)


@dataclass(frozen=True, eq=False)
class PooledEngine(MapEngine):
    """Engine at the pooled map."""

    def features_and_logits(self) -> tuple[Tensor, Tensor]:
        """A, and the logits of the findings asked for."""
        return self.A, self.logits[:, self._columns]

    def head(self, features: Tensor) -> Tensor:
        """(M,C,h,w) -> (M,K) float32, computed in the precision of the model's weights."""
        model = self.request.model
        with evaluating(model):
            return model.head(features.to(_precision(model)))[:, self._columns].float()

    def max_batch(self, what: Pass) -> int:
        """Feature maps for the head, else as for every layer."""
        return memory.maps_at_once(self.A, self.request.memory_gib) if what == "head" else super().max_batch(what)

    def gradients(self) -> Gradients:
        """In closed form where the head has one, else all findings by one vectorised backward pass of the head.

        Only the head is differentiated, whatever the network: the features are its leaf.
        """
        with no_grad_no_autocast(), evaluating(self.request.model):
            factors = self.request.model.head.factors(self.A)
        if factors is None:
            return Dense(self._jacobian())
        w, D = factors
        return Factored(w[self._columns], D if D.shape[1] == 1 else D[:, self._columns])

    def _jacobian(self) -> Tensor:
        with no_grad_no_autocast(), torch.enable_grad():
            A = self.A.detach().requires_grad_()
            return jacobian_batched(self.head(A), A)

    def class_maps(self) -> Tensor:
        """(N,K,h,w) the classifier's own weights at every position, for the findings asked for."""
        with no_grad_no_autocast(), evaluating(self.request.model):
            return self.request.model.class_maps(self.A)[:, self._columns]

    def bias(self) -> Tensor:
        """(K,) the classifier's bias for the findings asked for."""
        return self.request.model.bias.detach()[self._columns]

    def drops(self) -> Tensor | None:
        """(N,K,C) how much a logit falls without a channel, in closed form; None where the head has none."""
        with no_grad_no_autocast(), evaluating(self.request.model):
            drops: Tensor | None = self.request.model.head.ablated_drops(self.A)
        return None if drops is None else drops[:, self._columns]

    def parts(self, evidence: Evidence) -> Iterator[tuple[slice, Evidence]]:
        """Which of the images, and the part of the evidence: images and findings whose G fit in memory."""
        max_pairs = memory.gradients_at_once(self.A, self.request.memory_gib)
        images, findings = max(1, max_pairs // len(self.findings)), min(max_pairs, len(self.findings))
        for i in range(0, len(self.A), images):
            rows = slice(i, min(i + images, len(self.A)))
            for k in range(0, len(self.findings), findings):
                yield rows, self._part(evidence, rows, slice(k, k + findings))

    def _part(self, whole: Evidence, rows: slice, columns: slice) -> Evidence:
        findings, images = self.findings[columns], whole.images[rows]
        engine = PooledEngine(replace(self.request, images=images), findings, self.A[rows], self.logits[rows])
        return replace(whole, images=images, findings=findings, engine=engine)


def jacobian_batched(logits: Tensor, A: Tensor) -> Tensor:
    """(N,K) logits of A -> (N,K,C,h,w), by one backward pass; by K where an operation knows no batches of gradients.

    ``logits`` must depend on ``A`` through a graph that is still there; it stays.

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
    """(N,K) logits of A -> (N,K,C,h,w) gradients, a backward pass per finding: K times the time, the memory of one."""
    return torch.stack([torch.autograd.grad(logit.sum(), A, retain_graph=True)[0] for logit in logits.unbind(1)], dim=1)
