"""XGrad-CAM."""

import torch
from torch import Tensor

from locus.methods.base import ChannelMethod
from locus.methods.evidence import Evidence


class XGradCAM(ChannelMethod):
    """Sum of channels; a weight is the channel's gradient, averaged with its activations as weights; values >= 0.

    ``L_k = ReLU(sum_c (sum_xy(G_kc A_c) / sum_xy A_c) A_c)``, weight 0 where ``sum_xy A_c = 0``.
    Source: Fu et al., BMVC 2020.

    With AVG pooling it equals Grad-CAM. Caveat: if A has negative values (SiLU, FPA), sum A may be close to 0, and one
    channel then dominates the map. The formula is used as published; only an exact 0 is left out.
    """

    name = "xgradcam"
    needs = frozenset({"features", "gradients"})
    rectified = True
    source = "Fu et al., BMVC 2020"

    def channel_weights(self, evidence: Evidence) -> Tensor:
        """Return mean gradients (N,K,C), each position weighted by its share of the channel's sum."""
        total = evidence.A.sum((-2, -1)).unsqueeze(1)  # (N, 1, C)
        return evidence.gradients.dot_positions(evidence.A) / torch.where(
            total == 0, torch.inf, total
        )
