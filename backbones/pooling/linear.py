"""Mean weighted by the positive part of the values themselves."""

import torch
from torch import Tensor

from backbones.pooling.base import Pooling


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
