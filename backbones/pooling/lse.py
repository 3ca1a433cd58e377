"""Log-sum-exp: between mean and maximum."""

import math

import torch
from torch import Tensor

from backbones.pooling.base import Pooling
from core.errors import BadValueError


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
