"""Score-CAM, and its masks: channels of a feature map, scaled to [0,1] and resampled to the image's pixels.

``MASKS`` has two ways to draw them: on the model's grid, and as the package pytorch-grad-cam does.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from locus.core.errors import BadValueError
from locus.core.frames import interpolation
from locus.methods.base import ChannelMethod
from locus.methods.evidence import Evidence

Masks = tuple[Callable[[Tensor], Tensor], Tensor]
"""Function from (m,h,w) channels to (m,H,W) masks, and (N,C) bool that selects the channels to use."""
FLAT_TOLERANCE = 1e-6
"""Channels whose range is below this fraction of their largest value are constant up to float32 rounding."""


def on_the_grid(evidence: Evidence) -> Masks:
    """Draw masks by scaling channels and resampling them with the model's grid; constant channels are skipped."""
    A, pixels = evidence.A, evidence.pixel_grid
    matrices = interpolation(evidence.grid, (A.shape[-2], A.shape[-1]), pixels, pixels.size)
    rows, columns = (torch.from_numpy(matrix).to(A) for matrix in matrices)
    return lambda channels: rows @ _unit(channels) @ columns.T, ~flat(A)


def as_grad_cam(evidence: Evidence) -> Masks:
    """Draw masks as the grad-cam package does: resize with aligned corners, then scale; constant channels are black."""
    A, size = evidence.A, evidence.pixel_grid.size
    all_channels = torch.ones_like(A[..., 0, 0], dtype=torch.bool)

    def draw(channels: Tensor) -> Tensor:
        return _unit(
            interpolate(channels[None], size, mode="bilinear", align_corners=True)[0], 1e-8
        )

    return draw, all_channels


MASKS = {"grid": on_the_grid, "grad-cam": as_grad_cam}
"""Ways to draw the masks."""


def flat(A: Tensor) -> Tensor:
    """Return (N,C) bool, True where a channel of (N,C,h,w) is constant up to rounding. False if it contains nan."""
    low, high = A.amin((-2, -1)), A.amax((-2, -1))
    return high - low <= FLAT_TOLERANCE * torch.maximum(high.abs(), low.abs())


def _unit(maps: Tensor, epsilon: float = 0) -> Tensor:
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    return (maps - low) / (high - low + epsilon)


class ScoreCAM(ChannelMethod):
    """Weight each channel by the logit of the image masked with it; values >= 0.

    ``L_k = ReLU(sum_c softmax_c(S_k(I * up(norm A_c)) - S_k(0)) A_c)``, norm: to [0,1]. Source: Wang et al., CVPR
    workshops 2020, equations 5 to 7. S_k(0) is the same for all channels: the softmax cancels it, so it is left out.

    One forward pass per image and channel serves all findings. With ``masks="grid"``, constant channels get weight 0
    without a forward pass; with ``masks="grad-cam"``, their masks are black and all channels have one.
    Note: the softmax is over raw logits, so the larger they are, the fewer channels contribute.
    """

    name = "scorecam"
    needs = frozenset({"features", "forwards"})
    rectified = True
    source = "Wang et al., CVPR workshops 2020, eq. 5-7"

    def __init__(self, masks: str = "grid") -> None:
        """Set ``masks``: ``grid``, or ``grad-cam`` for those of pytorch-grad-cam (``as_grad_cam``)."""
        if not isinstance(masks, str) or masks not in MASKS:
            raise BadValueError(
                f"scorecam has masks={masks!r}, but masks must be {' or '.join(MASKS)}"
            )
        self.masks = masks

    def channel_weights(self, evidence: Evidence) -> Tensor:
        """Return the weights (N,K,C); the masked images are processed in batches."""
        (draw, run), A, images = MASKS[self.masks](evidence), evidence.A, evidence.images
        n, c = run.nonzero(as_tuple=True)
        logits = evidence.batched_forward(
            len(n), lambda part: images[n[part]].mul_(draw(A[n[part], c[part]]).unsqueeze(1))
        )
        scores = logits.new_full((*run.shape, logits.shape[1]), -torch.inf)
        scores[n, c] = logits
        weights = scores.softmax(1).where(run.any(1)[:, None, None], 0)  # (N, C, K)
        return weights.mT
