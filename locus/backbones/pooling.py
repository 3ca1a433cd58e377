"""Poolings and attention layers, one class each: what lies between the feature maps and the linear head.

A pooling turns feature maps into one vector per image (or per image and finding). Its class has its formula, its source
and, if it has one, the closed form of its gradient (``derivative``). ``POOLINGS`` lists the poolings by the names of
``--global_pool``, and ``build`` creates one from a spec. An attention turns feature maps into feature maps of the same
shape: ``ATTENTIONS`` by the names of ``--attention_map``, and ``build_attention``.
"""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from locus.core import registry
from locus.core.errors import BadValueError


class Pooling(nn.Module):
    """Pooling (N,C,h,w) -> (N, groups * C). A subclass sets ``name`` and implements ``forward``.

    Example:
        >>> class LARGEST(Pooling):
        ...     name = "LARGEST"
        ...     def forward(self, A):
        ...         return A.amax((-2, -1))
        >>> import torch
        >>> LARGEST()(torch.tensor([[[[1., 2.], [3., 6.]]]])).tolist()
        [[6.0]]
    """

    name: ClassVar[str]
    """Registered name."""
    groups: ClassVar[int] = 1
    """Number of pooled values per channel."""
    per_finding: ClassVar[bool] = False
    """True: ``forward(A, scores)`` also takes the (N,K,h,w) logits of each position and returns (N,K,C)."""

    def derivative(self, A: Tensor, *scores: Any) -> Tensor | None:
        """Compute D such that the gradient of logit k with respect to A is w_kc * D.

        Default: D = dx_c / dA_c by one backward pass through the pooling, for all findings. Valid if x_c depends only
        on channel c; other poolings, and those of several groups, override this method or return None.

        Args:
            A: (N,C,h,w) feature maps.
            scores: (N,K,h,w) logits of each position, if ``per_finding``.

        Returns:
            (N,1|K,C|1,h,w); None if there is no such form.
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
        share = positive / torch.where(
            total > 0, total, 1
        )  # divided first: squares of large values would overflow
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
            raise BadValueError(
                f"LSE has gamma={gamma}: give a number above 0 (small is near AVG, large near MAX)"
            )
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


class CAM(nn.Module):
    """A_c * sigmoid(W2 relu(W1 mean_xy A))_c: squeeze and excitation. Source: Hu et al., CVPR 2018, eq. 2 to 4.

    There are C / ``ratio`` channels between W1 and W2. Without batch norm, so a batch of one image can be trained.
    """

    def __init__(self, channels: int, ratio: int = 2) -> None:
        super().__init__()
        if not 1 <= ratio <= channels:
            raise BadValueError(
                f"CAM has ratio={ratio}: give a number from 1 to {channels}, the number of channels"
            )
        narrow = channels // ratio
        self.gate = nn.Sequential(
            nn.Linear(channels, narrow), nn.ReLU(), nn.Linear(narrow, channels), nn.Sigmoid()
        )

    def forward(self, A: Tensor) -> Tensor:
        """Weight the channels: (N,C,h,w) -> (N,C,h,w)."""
        return A * self.gate(A.mean((-2, -1)))[..., None, None]


class FPA(nn.Module):
    """middle(A) * pyramid(A) + global(A). Source: Li et al., BMVC 2018 (Pyramid Attention Network), figure 3.

    The pyramid halves the maps three times (7x7, 5x5, 3x3 convolutions) and adds the scales up from the coarsest on.
    Sizes are rounded up: a 3x3 map becomes 2x2, 1x1, 1x1. The result may be negative.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.middle = _block(channels, channels, 1)
        self.everywhere = _block(channels, channels, 1)
        self.down = nn.ModuleList([_block(channels, 1, 7), _block(1, 1, 5), _block(1, 1, 3)])
        self.across = nn.ModuleList([_block(1, 1, 7), _block(1, 1, 5), _block(1, 1, 3)])

    def forward(self, A: Tensor) -> Tensor:
        """Weight the positions: (N,C,h,w) -> (N,C,h,w), in float32 even under autocast.

        In bfloat16, the gradient of a 7x7 convolution on a 2x2 map is not finite on some CPUs.
        """
        with torch.autocast(A.device.type, enabled=False):
            A = precise(A)
            return self.middle(A) * self._pyramid(A) + self.everywhere(
                A.mean((-2, -1), keepdim=True)
            )

    def _pyramid(self, A: Tensor) -> Tensor:
        """Return one weight per position, (N,1,h,w), of (N,C,h,w)."""
        sizes, scales, x = [], [], A
        for down, across in zip(self.down, self.across, strict=True):
            sizes.append(x.shape[-2:])
            x = down(nn.functional.max_pool2d(x, 2, ceil_mode=True))
            scales.append(across(x))
        total = scales[-1]
        for size, finer in zip(sizes[:0:-1], scales[-2::-1], strict=True):
            total = _resize(total, size) + finer
        return _resize(total, sizes[0])


class SteadyBatchNorm(nn.BatchNorm2d):
    """Batch norm that uses its running statistics if there is only one value per channel, which has no variance."""

    def forward(self, x: Tensor) -> Tensor:
        """(N,C,h,w) -> (N,C,h,w)."""
        if self.training and x.shape[0] * x.shape[2] * x.shape[3] == 1:
            return nn.functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        return super().forward(x)


def _block(channels: int, out: int, kernel: int) -> nn.Sequential:
    conv = nn.Conv2d(channels, out, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, SteadyBatchNorm(out), nn.ReLU())


def _resize(x: Tensor, size: Any) -> Tensor:
    return nn.functional.interpolate(x, size, mode="bilinear", align_corners=False)


class SAM(nn.Module):
    """A + factor * sum_j softmax_j(q_i . k_j) v_j. Source: Fu et al., CVPR 2019 (DANet), eq. 1 and 2.

    Queries and keys have C / 8 channels. The learned ``factor`` starts at 0, so A is unchanged at first. Caveat: the
    features of a position may come from anywhere in the image.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(channels // 8, 1)
        self.query, self.key = nn.Conv2d(channels, narrow, 1), nn.Conv2d(channels, narrow, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.factor = nn.Parameter(torch.zeros(()))

    def forward(self, A: Tensor) -> Tensor:
        """Add the attended features: (N,C,h,w) -> (N,C,h,w)."""
        query, key, value = (
            self.query(A).flatten(2),
            self.key(A).flatten(2),
            self.value(A).flatten(2),
        )  # (N, ., h*w)
        share = torch.einsum("ncp,ncq->npq", query, key).softmax(-1).to(value.dtype)
        gathered = torch.einsum("npq,ncq->ncp", share, value)
        return A + self.factor * gathered.reshape(A.shape)


class ADL(nn.Module):
    """In training, A times a mask without its most attended positions, or times sigmoid(mean_c A).

    The mask is drawn with probability ``rate`` per batch; it is 0 where mean_c A is at least ``threshold`` times its
    maximum. In evaluation A is unchanged. Source: Choe and Shim, CVPR 2019, who insert it at several layers; here it
    is only behind the last one.
    """

    def __init__(self, channels: int, rate: float = 0.75, threshold: float = 0.8) -> None:
        super().__init__()
        for option, value in (("rate", rate), ("threshold", threshold)):
            if isinstance(value, str) or not 0 <= value <= 1:
                raise BadValueError(f"ADL has {option}={value}: give a number from 0 to 1")
        self.rate, self.threshold = rate, threshold

    def forward(self, A: Tensor) -> Tensor:
        """Weight the positions: (N,C,h,w) -> (N,C,h,w)."""
        if not self.training:
            return A
        attention = A.mean(1, keepdim=True)
        drop = attention < self.threshold * attention.amax((-2, -1), keepdim=True)
        return A * (drop.to(A.dtype) if float(torch.rand(())) < self.rate else attention.sigmoid())


ATTENTIONS: dict[str, type[nn.Module]] = {"ADL": ADL, "CAM": CAM, "FPA": FPA, "SAM": SAM}


def build_attention(spec: str, channels: int) -> nn.Module:
    """Create the attention of a spec. Raises ``UnknownNameError`` and ``BadValueError``."""
    attention: nn.Module = registry.build(ATTENTIONS, "attention map", spec, channels=channels)
    return attention


def precise(A: Tensor) -> Tensor:
    """Convert ``A`` to float32 if autocast reduced its precision; float32 and float64 are unchanged."""
    return A.float() if A.dtype in (torch.bfloat16, torch.float16) else A
