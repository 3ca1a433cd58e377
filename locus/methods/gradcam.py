"""Grad-CAM."""

from torch import Tensor

from locus.methods.base import ChannelMethod
from locus.methods.evidence import Evidence


class GradCAM(ChannelMethod):
    """Sum of the channels weighted by their mean gradients; positive values mark features that raise the logit.

    ``L_k = ReLU(sum_c mean_xy(G_kc) A_c)``. Source: Selvaraju et al., ICCV 2017, equations 1 and 2.

    Note: the gradients are those of the logit, not of the probability. With AVG, MAX, LSE, EXP, AVG_MAX or AVG_MAX_LSE
    pooling, the map equals ReLU(CAM) / (h w), because the weights of these pooling types sum to 1.
    """

    name = "gradcam"
    needs = frozenset({"features", "gradients"})
    rectified = True
    source = "Selvaraju et al., ICCV 2017, eq. 1-2"

    def channel_weights(self, evidence: Evidence) -> Tensor:
        """Return the mean gradients, (N,K,C)."""
        return evidence.gradients.mean()
