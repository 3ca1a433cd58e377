"""Maximum over positions."""

from torch import Tensor

from backbones.pooling.base import Pooling


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
