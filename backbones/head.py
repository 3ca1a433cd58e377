"""The head: pooling, dropout and one linear weight vector per finding. Nothing else stands between A and a logit."""

import torch
from torch import Tensor, nn

from backbones.pooling.base import Pooling


class Head(nn.Module):
    """logit_k = w_k . dropout(pool(A)) + b_k, in float32 even under autocast (float64 stays float64).

    Differentiable in A, and never changes it. With PCAM the pooled features differ from finding to finding, with all
    other poolings they are shared.
    """

    def __init__(self, pooling: Pooling, linear: nn.Linear, dropout: float = 0.0) -> None:
        super().__init__()
        self.pooling, self.linear = pooling, linear
        self.dropout = nn.Dropout(dropout)

    @property
    def word(self) -> str:
        """The pooling's registered word without its options."""
        return self.pooling.name

    @property
    def num_classes(self) -> int:
        """K, the number of findings."""
        return len(self.linear.weight)

    @property
    def weight(self) -> Tensor:
        """(K, groups * C) the linear weights."""
        return self.linear.weight

    @property
    def bias(self) -> Tensor:
        """(K,) the linear bias; zeros where the layer has none."""
        return self.weight.new_zeros(len(self.weight)) if self.linear.bias is None else self.linear.bias

    def forward(self, A: Tensor) -> Tensor:
        """(N,C,h,w) -> (N,K) logits, before any sigmoid or softmax."""
        with torch.autocast(A.device.type, enabled=False):
            A = precise(A)
            weight, bias = self.weight.to(A.dtype), self.bias.to(A.dtype)
            if not self.pooling.per_finding:
                return nn.functional.linear(self.dropout(self.pooling(A)), weight, bias)
            pooled = self.pooling(A, self.class_maps(A) + bias[:, None, None])  # (N, K, C)
            return (self.dropout(pooled) * weight).sum(-1) + bias

    def class_maps(self, A: Tensor) -> Tensor:
        """(N,C,h,w) -> (N,K,h,w): w_k . A at every position, without bias; weight groups (AVG_MAX) add up."""
        with torch.autocast(A.device.type, enabled=False):
            A = precise(A)
            weight = self.weight.to(A.dtype).reshape(len(self.weight), self.pooling.groups, -1).sum(1)  # (K, C)
            return torch.einsum("kc,nchw->nkhw", weight, A)


def precise(A: Tensor) -> Tensor:
    """``A`` in float32 where autocast made it shorter; float32 and float64 stay."""
    return A.float() if A.dtype in (torch.bfloat16, torch.float16) else A
