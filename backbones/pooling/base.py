"""Base class of the poolings."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn


class Pooling(nn.Module):
    """Pooling (N,C,h,w) -> (N, groups * C). A subclass sets ``name`` and implements ``forward``."""

    name: ClassVar[str]
    """Registered name."""
    groups: ClassVar[int] = 1
    """Number of pooled values per channel."""
    per_finding: ClassVar[bool] = False
    """True: ``forward(A, scores)`` also takes the (N,K,h,w) logits of each position and returns (N,K,C)."""

    def derivative(self, A: Tensor, *scores: Any) -> Tensor | None:
        """Return D (N,1|K,C|1,h,w) such that the gradient of logit k is w_kc * D; None if there is no such form.

        Default: D = dx_c / dA_c by one backward pass through the pooling, for all findings. Valid if x_c depends only
        on channel c; other poolings, and those of several groups, override this method or return None.
        """
        if self.groups > 1 or self.per_finding:
            return None
        with torch.enable_grad():
            leaf = A.detach().requires_grad_()
            (D,) = torch.autograd.grad(self(leaf).sum(), leaf)
        return D.unsqueeze(1)
