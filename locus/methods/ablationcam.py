"""Ablation-CAM."""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from locus.methods.base import ChannelMethod
from locus.methods.evidence import Evidence


class AblationCAM(ChannelMethod):
    """Weight each channel by the relative drop of the logit without it; values >= 0; no gradients.

    ``L_k = ReLU(sum_c ((S_k - S_k with A_c = 0) / S_k) A_c)``. Source: Desai and Ramaswamy, WACV 2020.

    Only the head is evaluated: in closed form, ``w_kc (pool(A_c) - pool(0))``, if channels are pooled independently,
    else C times. Traps: a negative logit flips all signs, as in the published formula. Near ``S_k = 0`` the quotient is
    meaningless, so the difference itself is the weight if ``|S_k| < near_zero``.
    """

    name = "ablationcam"
    needs = frozenset({"features", "head"})
    rectified = True
    source = "Desai and Ramaswamy, WACV 2020"
    near_zero: ClassVar[float] = 1e-3
    """Smallest absolute logit used as a divisor; float32 still resolves its sign."""

    def channel_weights(self, evidence: Evidence) -> Tensor:
        """Return the relative drops of the logits, (N,K,C)."""
        S = evidence.logits.unsqueeze(-1)  # (N, K, 1)
        return ablation_drops(evidence) / torch.where(S.abs() < self.near_zero, 1, S)


def ablation_drops(evidence: Evidence) -> Tensor:
    """Return ``S_k - S_k with A_c = 0``, (N,K,C): in closed form if the head has one, else by definition."""
    return by_definition(evidence) if evidence.ablation_drops is None else evidence.ablation_drops


def by_definition(evidence: Evidence) -> Tensor:
    """Return the drops (N,K,C) by evaluating the head on C ablated feature maps per image."""
    return evidence.logits.unsqueeze(-1) - modified_logits(evidence, evidence.A.shape[1], _without)


def modified_logits(
    evidence: Evidence, count: int, modify: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Return the logits (N,K,count) of the head on ``count`` modified feature maps per image, in batches.

    ``modify(A, part)`` returns the modified maps (M,C,h,w) of (C,h,w) with the indices ``part`` (M,). Each batch has
    equally many maps of every image, grouped by image, because the head of a layer that other paths bypass finds the
    image of a map by its position.
    """
    parts = torch.arange(count).split(max(1, evidence.max_batch("head") // len(evidence.A)))
    logits = [evidence.head(torch.cat([modify(A, part) for A in evidence.A])) for part in parts]
    return torch.cat([batch.unflatten(0, (len(evidence.A), -1)) for batch in logits], 1).mT


def _without(A: Tensor, channels: Tensor) -> Tensor:
    """Return M copies of (C,h,w), each with one of M channels set to 0: (M,C,h,w)."""
    copies = A.repeat(len(channels), 1, 1, 1)
    copies[torch.arange(len(channels)), channels] = 0
    return copies
