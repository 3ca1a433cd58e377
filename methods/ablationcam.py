"""Ablation-CAM."""

from typing import ClassVar

import torch
from torch import Tensor

from methods.ablation import drops
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
