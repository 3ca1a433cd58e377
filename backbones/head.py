"""Head of a classifier: pooling, dropout and one linear weight vector per finding."""

import torch
from torch import Tensor, nn

from backbones.pooling.base import Pooling


class Head(nn.Module):
    """logit_k = w_k . dropout(pool(A)) + b_k, in float32 even under autocast (float64 stays float64).

    Differentiable with respect to A, which is not modified. With PCAM each finding has separate pooled features; with
    all other poolings they are shared.
    """

    def __init__(self, pooling: Pooling, linear: nn.Linear, dropout: float = 0.0) -> None:
        super().__init__()
        self.pooling, self.linear = pooling, linear
        self.dropout = nn.Dropout(dropout)

    @property
    def pooling_name(self) -> str:
        """Registered name of the pooling, without options."""
        return self.pooling.name

    @property
    def num_classes(self) -> int:
        """K, the number of findings."""
        return len(self.linear.weight)

    @property
    def weight(self) -> Tensor:
        """Linear weights, (K, groups * C)."""
        return self.linear.weight

    @property
    def bias(self) -> Tensor:
        """Linear bias, (K,); zeros if the layer has none."""
        return self.weight.new_zeros(len(self.weight)) if self.linear.bias is None else self.linear.bias

    def forward(self, A: Tensor) -> Tensor:
        """Return logits (N,K) of maps (N,C,h,w), before any sigmoid or softmax."""
        with torch.autocast(A.device.type, enabled=False):
            A = precise(A)
            weight, bias = self.weight.to(A.dtype), self.bias.to(A.dtype)
            if not self.pooling.per_finding:
                return nn.functional.linear(self.dropout(self.pooling(A)), weight, bias)
            pooled = self.pooling(A, self._scores(A))  # (N, K, C)
            return (self.dropout(pooled) * weight).sum(-1) + bias

    def class_maps(self, A: Tensor) -> Tensor:
        """Return w_k . A at every position, without bias, (N,K,h,w); weight groups (AVG_MAX) are summed."""
        with torch.autocast(A.device.type, enabled=False):
            A = precise(A)
            weight = self.weight.to(A.dtype).reshape(len(self.weight), self.pooling.groups, -1).sum(1)  # (K, C)
            return torch.einsum("kc,nchw->nkhw", weight, A)

    @torch.no_grad()
    def factors(self, A: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return w (K,C) and D (N,1|K,C|1,h,w) with dlogit_k / dA_c(xy) = w_kc * D(xy) in evaluation mode.

        None if the pooling has no such form (AVG_MAX). The cost does not depend on K, except for PCAM.
        """
        with torch.autocast(A.device.type, enabled=False):
            A = precise(A)
            D = self.pooling.derivative(A, *([self._scores(A)] if self.pooling.per_finding else []))
            return None if D is None else (self.weight.detach().to(A.dtype), D)

    @torch.no_grad()
    def ablated_drops(self, A: Tensor) -> Tensor | None:
        """Return the drop of logit k when channel c is set to 0, w_kc (pool(A_c) - pool(0)), as (N,K,C).

        Weight groups are summed. For PCAM, where each channel affects the weights of the others, see :meth:`_drop`.
        """
        with torch.autocast(A.device.type, enabled=False):
            A = precise(A)
            if self.pooling.per_finding:
                return torch.stack([self._drop(image) for image in A])
            change = self.pooling(A) - self.pooling(torch.zeros_like(A[:1]))
            groups = self.pooling.groups
            weight = self.weight.to(A.dtype).reshape(len(self.weight), groups, -1)  # (K, groups, C)
            return torch.einsum("kgc,ngc->nkc", weight, change.reshape(len(A), groups, -1))

    def _drop(self, image: Tensor) -> Tensor:
        """Return the drops (K,C) of one image (C,h,w).

        Logit k pools the class map z_k; without channel c the class map is z_k - w_kc A_c. In float64, because the drop
        is a small difference of two logits; one image at a time, because of the memory.
        """
        A = image.double()
        drops = []
        for z, weight, bias in zip(self.class_maps(A[None])[0], self.weight.double(), self.bias.double(), strict=True):
            # (1 + C, 1, h, w), the first one without ablation
            maps = torch.cat([z[None], z - weight[:, None, None] * A]).unsqueeze(1)
            S = self.pooling(maps, maps + bias).flatten()
            drops.append(S[0] - S[1:])
        return torch.stack(drops).to(image.dtype)

    def _scores(self, A: Tensor) -> Tensor:
        """Return the logit of each position alone, with bias: (N,C,h,w) -> (N,K,h,w)."""
        return self.class_maps(A) + self.bias.to(A.dtype)[:, None, None]


def precise(A: Tensor) -> Tensor:
    """Convert ``A`` to float32 if autocast reduced its precision; float32 and float64 are unchanged."""
    return A.float() if A.dtype in (torch.bfloat16, torch.float16) else A
