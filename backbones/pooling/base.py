"""What every pooling says about itself."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn


class Pooling(nn.Module):
    """(N,C,h,w) -> (N, groups * C). A subclass sets ``name`` and writes ``forward``; options are constructor arguments.

    Under every pooling ``class_maps`` is w_k . A at each position, with the weight groups added up.
    """

    name: ClassVar[str]
    """The registered word."""
    groups: ClassVar[int] = 1
    """How many pooled values there are per channel."""
    per_finding: ClassVar[bool] = False
    """True: ``forward(A, scores)`` also takes (N,K,h,w) logits per position and gives (N,K,C)."""

    def derivative(self, A: Tensor, *scores: Any) -> Tensor | None:
        """(N,C,h,w) -> D (N,1|K,C|1,h,w): the gradient of finding k's logit is w_kc * D; None without such a form.

        Here D = dx_c / dA_c by one backward pass through the pooling, which serves all findings: it holds where x_c
        depends on channel c alone. A pooling of several groups, or of other dependence, has no or its own derivative.
        """
        if self.groups > 1 or self.per_finding:
            return None
        with torch.enable_grad():
            leaf = A.detach().requires_grad_()
            (D,) = torch.autograd.grad(self(leaf).sum(), leaf)
        return D.unsqueeze(1)
