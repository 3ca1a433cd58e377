"""Mean and maximum side by side."""

import torch
from torch import Tensor

from backbones.pooling.avg import AVG
from backbones.pooling.base import Pooling
from backbones.pooling.max import MAX


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
