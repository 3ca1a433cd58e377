"""Probabilistic class activation map pooling: each finding is pooled with its own probability map."""

import torch
from torch import Tensor, nn

from backbones.pooling.base import Pooling


class PCAM(Pooling):
    """x_kc = sum_xy p_k A_c / sum_xy p_k, p_k = sigmoid(w_k . A + b_k). Source: Ye et al., arXiv:2005.14480.

    Normalised in log space (a softmax of log p), so a finding that is absent everywhere still has weights that sum to
    1. Constant scores give the mean; very negative scores give weights proportional to exp(score); scores far above 0
    give equal weights. The gradient also flows through the weights.
    """

    name = "PCAM"
    per_finding = True

    def forward(self, A: Tensor, scores: Tensor) -> Tensor:
        """Pool maps (N,C,h,w) by the logits of each position with bias (N,K,h,w): (N,K,C)."""
        weights = nn.functional.logsigmoid(scores).flatten(2).softmax(-1)
        return torch.einsum("nkp,ncp->nkc", weights, A.flatten(2))

    def derivative(self, A: Tensor, *scores: Tensor) -> Tensor:
        """Return D_k = q (1 + (1 - p)(z - S)), (N,K,1,h,w), for scores z, q = softmax_xy(log p) and logit S = sum qz.

        From S = sum q z and dq_r/dz_s = q_r (1[r = s] - q_s)(1 - p_s): the second term is the gradient through the
        weights. Finite for any score, and it may be negative.
        """
        z = scores[0].flatten(2)
        q = nn.functional.logsigmoid(z).softmax(-1)
        S = (q * z).sum(-1, keepdim=True)
        return (q * (1 + (-z).sigmoid() * (z - S))).reshape(scores[0].shape).unsqueeze(2)
