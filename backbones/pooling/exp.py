"""Mean weighted by a softmax over positions."""

from torch import Tensor

from backbones.pooling.base import Pooling


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
