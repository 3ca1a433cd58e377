"""Score-CAM."""

import torch
from torch import Tensor

from core.errors import BadValueError
from methods.base import ChannelMethod, Evidence
from methods.masks import MASKS


class ScoreCAM(ChannelMethod):
    """Weight each channel by the logit of the image masked with it; values >= 0.

    ``L_k = ReLU(sum_c softmax_c(S_k(I * up(norm A_c)) - S_k(0)) A_c)``, norm: to [0,1]. Source: Wang et al., CVPR
    workshops 2020, equations 5 to 7. S_k(0) is the same for all channels: the softmax cancels it, so it is left out.

    One forward pass per image and channel serves all findings; constant channels get weight 0 without a forward pass.
    Note: the softmax is over raw logits, so the larger they are, the fewer channels contribute.
    """

    name = "scorecam"
    needs = frozenset({"features", "forwards"})
    rectified = True
    source = "Wang et al., CVPR workshops 2020, eq. 5-7"

    def __init__(self, masks: str = "grid") -> None:
        """Set ``masks``: ``grid``, or ``grad-cam`` for those of pytorch-grad-cam (see ``methods.masks``)."""
        if not isinstance(masks, str) or masks not in MASKS:
            raise BadValueError(f"scorecam has masks={masks!r}, but masks must be {' or '.join(MASKS)}")
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
