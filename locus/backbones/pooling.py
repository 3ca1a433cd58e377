"""Poolings, one class each: from feature maps to one vector per image (or per image and finding).

``POOLINGS`` lists them by the name of ``--global_pool``, and ``build`` creates one from a spec. Each class has its
formula, its source and, if it has one, the closed form of its gradient (``derivative``).
"""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from locus.core import registry
from locus.core.errors import BadValueError


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


class AVG(Pooling):
    """x_c = mean_xy A_c. The logit is the mean of its class map plus the bias. Source: Lin et al., ICLR 2014.

    >>> import torch
    >>> AVG()(torch.tensor([[[[1., 2.], [3., 6.]]]])).tolist()
    [[3.0]]
    """

    name = "AVG"

    def forward(self, A: Tensor) -> Tensor:
        """(N,C,h,w) -> (N,C)."""
        return A.flatten(2).mean(-1)

    def derivative(self, A: Tensor, *scores: Any) -> Tensor:
        """Return 1 / hw everywhere, as an expanded view (N,1,1,h,w)."""
        n, _, h, w = A.shape
        return A.new_full((), 1 / (h * w)).expand(n, 1, 1, h, w)


class EXP(Pooling):
    """x_c = sum_xy softmax_xy(A_c) A_c. Source: Wang et al., ICASSP 2019 (exponential softmax).

    Close to the mean for small A and to the maximum for large A; equal positions share the weight. Unlike that of LSE,
    its gradient may be negative at low positions.

    >>> import math, torch
    >>> EXP()(torch.tensor([[[[0., 0.], [0., math.log(3)]]]])).sub(math.log(3) / 2).abs().lt(1e-6).item()
    True
    """

    name = "EXP"

    def forward(self, A: Tensor) -> Tensor:
        """(N,C,h,w) -> (N,C)."""
        values = A.flatten(2)
        return (values.softmax(-1) * values).sum(-1)


class LINEAR(Pooling):
    """x_c = sum_xy A_c A_c+ / sum_xy A_c+, A+ = max(A, 0); 0 where sum A+ = 0.

    Source: Wang et al., ICASSP 2019 (linear softmax).

    The source divides by sum A, which diverges for signed A (SiLU, attention); for A >= 0 both are equal. Scaling A
    scales the result; a constant positive map gives its constant.

    >>> LINEAR()(torch.tensor([[[[1., 3.], [0., -2.]]]])).tolist()
    [[2.5]]
    """

    name = "LINEAR"

    def forward(self, A: Tensor) -> Tensor:
        """(N,C,h,w) -> (N,C)."""
        values = A.flatten(2)
        positive = values.clamp(min=0)
        total = positive.sum(-1, keepdim=True)
        share = positive / torch.where(total > 0, total, 1)  # divided first: squares of large values would overflow
        return (values * share).sum(-1)


class LSE(Pooling):
    """x_c = (1/gamma) log mean_xy exp(gamma A_c). Source: Pinheiro and Collobert, CVPR 2015; Wang et al., CVPR 2017.

    gamma -> 0 is the mean, gamma -> infinity the maximum; equal positions share the gradient (softmax of gamma A).

    >>> LSE(gamma=1)(torch.tensor([[[[0., 0.], [0., math.log(5)]]]])).exp().round(decimals=4).tolist()
    [[2.0]]
    """

    name = "LSE"

    def __init__(self, gamma: float = 10.0) -> None:
        super().__init__()
        if isinstance(gamma, str) or not 0 < gamma < math.inf:
            raise BadValueError(f"LSE has gamma={gamma}: give a number above 0 (small is near AVG, large near MAX)")
        self.gamma = float(gamma)

    def forward(self, A: Tensor) -> Tensor:
        """(N,C,h,w) -> (N,C)."""
        values = A.flatten(2)
        return (torch.logsumexp(self.gamma * values, -1) - math.log(values.shape[-1])) / self.gamma


class MAX(Pooling):
    """x_c = max_xy A_c. Source: Oquab et al., CVPR 2015.

    Ties: the first maximum in row-major order gets the whole gradient. Channels may have their maxima at different
    positions, so the logit is not the maximum of its class map. Caveat: a channel that is dead before the attention
    (SAM adds the same value everywhere) is constant up to rounding after it. Rounding, and thus the batch size, then
    decides which position gets the gradient.

    >>> import torch
    >>> MAX()(torch.tensor([[[[1., 2.], [3., 6.]]]])).tolist()
    [[6.0]]
    """

    name = "MAX"

    def forward(self, A: Tensor) -> Tensor:
        """(N,C,h,w) -> (N,C)."""
        values = A.flatten(2)
        first = values.argmax(-1, keepdim=True)  # the first one, as torch documents
        return values.gather(-1, first).squeeze(-1)


class AVG_MAX(Pooling):  # noqa: N801  the word on the command line
    """x = [mean_xy A, max_xy A], 2C weights per finding; ties as in MAX. Both as in Woo et al., ECCV 2018.

    >>> AVG_MAX()(torch.tensor([[[[1., 2.], [3., 6.]]]])).tolist()
    [[3.0, 6.0]]
    """

    name = "AVG_MAX"
    groups = 2

    def __init__(self) -> None:
        super().__init__()
        self.avg, self.max = AVG(), MAX()

    def forward(self, A: Tensor) -> Tensor:
        """(N,C,h,w) -> (N,2C): all means, then all maxima."""
        return torch.cat([self.avg(A), self.max(A)], 1)


class AVG_MAX_LSE(AVG_MAX):  # noqa: N801  the word on the command line
    """x = [mean_xy A, max_xy A, LSE_xy A], 3C weights per finding; ties as in MAX, ``gamma`` as in LSE.

    >>> AVG_MAX_LSE()(torch.tensor([[[[2., 2.], [2., 2.]]]])).tolist()
    [[2.0, 2.0, 2.0]]
    """

    name = "AVG_MAX_LSE"
    groups = 3

    def __init__(self, gamma: float = 10.0) -> None:
        super().__init__()
        self.lse = LSE(gamma)

    def forward(self, A: Tensor) -> Tensor:
        """(N,C,h,w) -> (N,3C): all means, then all maxima, then all log-sum-exps."""
        return torch.cat([super().forward(A), self.lse(A)], 1)


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


POOLINGS: dict[str, type[Pooling]] = {
    part.name: part for part in (AVG, AVG_MAX, AVG_MAX_LSE, EXP, LINEAR, LSE, MAX, PCAM)
}


def build(spec: str) -> Pooling:
    """Create the pooling of a spec: ``LSE:gamma=5``. Raises ``UnknownNameError`` and ``BadValueError``."""
    pooling: Pooling = registry.build(POOLINGS, "pooling", spec)
    return pooling
