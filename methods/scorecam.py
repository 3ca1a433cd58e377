"""Score-CAM."""

import torch
from torch import Tensor

from core.frames import interpolation
from methods.base import ChannelMethod, Evidence

ROUNDING = 1e-6
"""Channels whose range is below this fraction of their largest value are constant up to float32 rounding."""


class ScoreCAM(ChannelMethod):
    """Weight each channel by the logit of the image masked with it; values >= 0.

    ``L_k = ReLU(sum_c softmax_c(S_k(I * up(norm A_c)) - S_k(0)) A_c)``, norm: to [0,1]. Source: Wang et al., CVPR
    workshops 2020, equations 5 to 7. S_k(0) is the same for all channels: the softmax cancels it, so it is left out.

    One forward pass per image and channel serves all findings; constant channels get weight 0 without a forward pass.
    Trap: the softmax is over raw logits: the larger they are, the fewer channels count.
    """

    name = "scorecam"
    needs = frozenset({"features", "forwards"})
    rectified = True
    source = "Wang et al., CVPR workshops 2020, eq. 5-7"

    def channel_weights(self, evidence: Evidence) -> Tensor:
        """Return the weights (N,K,C); the masked images are processed in batches."""
        A, images, run = evidence.A, evidence.images, ~self.flat(evidence.A)
        n, c = run.nonzero(as_tuple=True)
        logits = evidence.batched_forward(
            len(n), lambda part: images[n[part]].mul_(self.draw(evidence, A[n[part], c[part]]).unsqueeze(1))
        )
        scores = logits.new_full((*run.shape, logits.shape[1]), -torch.inf)
        scores[n, c] = logits
        weights = scores.softmax(1).where(run.any(1)[:, None, None], 0)  # (N, C, K)
        return weights.mT

    def draw(self, evidence: Evidence, channels: Tensor) -> Tensor:
        """Return masks (m,H,W): channels (m,h,w) scaled to [0,1] and resampled to the pixels with the model's grid."""
        pixels = evidence.pixel_grid
        matrices = interpolation(evidence.grid, (channels.shape[-2], channels.shape[-1]), pixels, pixels.size)
        rows, columns = (torch.from_numpy(matrix).to(channels) for matrix in matrices)
        low, high = channels.amin((-2, -1), keepdim=True), channels.amax((-2, -1), keepdim=True)
        return rows @ ((channels - low) / (high - low)) @ columns.T

    def flat(self, A: Tensor) -> Tensor:
        """Return (N,C) bool: True where a channel of (N,C,h,w) is constant up to rounding, False if it has nan."""
        low, high = A.amin((-2, -1)), A.amax((-2, -1))
        return high - low <= ROUNDING * torch.maximum(high.abs(), low.abs())
