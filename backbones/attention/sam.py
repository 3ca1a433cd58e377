"""Position attention: every position attends to positions with similar features."""

import torch
from torch import Tensor, nn


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
        query, key, value = self.query(A).flatten(2), self.key(A).flatten(2), self.value(A).flatten(2)  # (N, ., h*w)
        share = torch.einsum("ncp,ncq->npq", query, key).softmax(-1).to(value.dtype)
        gathered = torch.einsum("npq,ncq->ncp", share, value)
        return A + self.factor * gathered.reshape(A.shape)
