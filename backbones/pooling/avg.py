"""Mean over positions."""

from torch import Tensor

from backbones.pooling.base import Pooling, flat


class AVG(Pooling):
    """x_c = mean_xy A_c. The logit is the mean of its class map plus the bias. Source: Lin et al., ICLR 2014.

    >>> import torch
    >>> AVG()(torch.tensor([[[[1., 2.], [3., 6.]]]])).tolist()
    [[3.0]]
    """

    name = "AVG"

    def forward(self, A: Tensor) -> Tensor:
        """(N,C,h,w) -> (N,C)."""
        return flat(A).mean(-1)
