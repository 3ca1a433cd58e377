"""Ablation-CAM."""

from typing import ClassVar

import torch
from torch import Tensor

from methods.base import ChannelMethod, Evidence


class AblationCAM(ChannelMethod):
    """Positions of the features without which the logit falls, as shares of the logit; values >= 0; no gradients.

    ``L_k = ReLU(sum_c ((S_k - S_k with A_c = 0) / S_k) A_c)``. Source: Desai and Ramaswamy, WACV 2020.

    Through the head alone: in closed form where each channel is pooled by itself, ``w_kc (pool(A_c) - pool(0))``, else
    by evaluating the head C times. Traps: a negative logit turns all signs, as printed; near ``S_k = 0`` the quotient
    has no meaning, so for ``|S_k| < near_zero`` the difference itself is the weight.
    """

    name = "ablationcam"
    needs = frozenset({"features", "head"})
    rectified = True
    source = "Desai and Ramaswamy, WACV 2020"
    near_zero: ClassVar[float] = 1e-3
    """Logits of this size or more divide; float32 still knows the sign of such a logit."""

    def channel_weights(self, evidence: Evidence) -> Tensor:
        """(N,K,C) drops as shares of the logit."""
        S = evidence.logits.unsqueeze(-1)  # (N, K, 1)
        return drops(evidence) / torch.where(S.abs() < self.near_zero, 1, S)


def drops(evidence: Evidence) -> Tensor:
    """(N,K,C) ``S_k - S_k with A_c = 0``: the head's closed form, else its definition."""
    return by_definition(evidence) if evidence.drops is None else evidence.drops


def by_definition(evidence: Evidence) -> Tensor:
    """(N,K,C) by evaluating the head on C feature maps of each image, as many at once as the memory budget allows.

    Every call holds equally many maps of every image, side by side: at a layer that the network goes round, the head
    knows by that which image a map is of.
    """
    images, channels = evidence.A.shape[:2]
    parts = torch.split(torch.arange(channels), max(1, evidence.max_batch("head") // images))
    logits = [
        evidence.head(torch.cat([_without(A, part) for A in evidence.A])).view(images, len(part), -1) for part in parts
    ]
    return evidence.logits.unsqueeze(-1) - torch.cat(logits, 1).mT  # (N, C, K) -> (N, K, C)


def _without(A: Tensor, channels: Tensor) -> Tensor:
    """(C,h,w) -> (M,C,h,w): copies with one of M channels set to 0 in each."""
    copies = A.repeat(len(channels), 1, 1, 1)
    copies[torch.arange(len(channels)), channels] = 0
    return copies
