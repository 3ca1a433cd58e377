"""Probabilistic class activation map pooling: each finding pools where it believes itself to be."""

import torch
from torch import Tensor, nn

from backbones.pooling.base import Pooling


class PCAM(Pooling):
    """x_kc = sum_xy p_k A_c / sum_xy p_k, p_k = sigmoid(w_k . A + b_k). Source: Ye et al., arXiv:2005.14480.

    Normalised in log space (a softmax of log p), so a finding that is absent everywhere still has weights that sum to
    1. A constant score gives the mean; very negative scores weigh by exp(score); scores far above 0 weigh equally.
    The gradient flows through the weights too.
    """

    name = "PCAM"
    per_finding = True

    def forward(self, A: Tensor, scores: Tensor) -> Tensor:
        """(N,C,h,w) maps and (N,K,h,w) logits at every position, bias included -> (N,K,C)."""
        weights = nn.functional.logsigmoid(scores).flatten(2).softmax(-1)
        return torch.einsum("nkp,ncp->nkc", weights, A.flatten(2))

    def derivative(self, A: Tensor, *scores: Tensor) -> Tensor:
        """(N,K,1,h,w): D_k = q (1 + (1 - p)(z - S)), with the scores z, q = softmax_xy(log p) and the logit S = sum qz.

        From S = sum q z and dq_r/dz_s = q_r (1[r = s] - q_s)(1 - p_s): the second term is the gradient through the
        weights. Finite for any score, and it may be negative.
        """
        z = scores[0].flatten(2)
        q = nn.functional.logsigmoid(z).softmax(-1)
        S = (q * z).sum(-1, keepdim=True)
        return (q * (1 + (-z).sigmoid() * (z - S))).reshape(scores[0].shape).unsqueeze(2)
