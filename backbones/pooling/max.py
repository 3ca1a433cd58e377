"""Maximum over positions."""

from torch import Tensor

from backbones.pooling.base import Pooling


class MAX(Pooling):
    """x_c = max_xy A_c. Source: Oquab et al., CVPR 2015.

    Ties: the first maximum in row-major order is taken and gets the whole gradient. Each channel may look at another
    position, so the logit is no maximum of its class map. Trap: a channel that is dead before the attention (SAM adds
    the same value everywhere) is constant up to rounding behind it, so rounding, and with it the size of the batch,
    chooses the position that gets the gradient.

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
