"""Mean over positions."""

from typing import Any

from torch import Tensor

from backbones.pooling.base import Pooling


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
