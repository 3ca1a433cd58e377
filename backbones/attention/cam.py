"""Channel attention: which channels matter for this image."""

from torch import Tensor, nn

from core.errors import BadValueError


class CAM(nn.Module):
    """A_c * sigmoid(W2 relu(W1 mean_xy A))_c: squeeze and excitation. Source: Hu et al., CVPR 2018, eq. 2 to 4.

    There are C / ``ratio`` channels between W1 and W2. Without batch norm, so a batch of one image can be trained.
    """

    def __init__(self, channels: int, ratio: int = 2) -> None:
        super().__init__()
        if not 1 <= ratio <= channels:
            raise BadValueError(f"CAM has ratio={ratio}: give a number from 1 to {channels}, the number of channels")
        narrow = channels // ratio
        self.gate = nn.Sequential(nn.Linear(channels, narrow), nn.ReLU(), nn.Linear(narrow, channels), nn.Sigmoid())

    def forward(self, A: Tensor) -> Tensor:
        """Weight the channels: (N,C,h,w) -> (N,C,h,w)."""
        return A * self.gate(A.mean((-2, -1)))[..., None, None]
