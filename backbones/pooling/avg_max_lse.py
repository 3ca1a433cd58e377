"""Mean, maximum and log-sum-exp side by side."""

import torch
from torch import Tensor

from backbones.pooling.avg_max import AVG_MAX
from backbones.pooling.lse import LSE


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
