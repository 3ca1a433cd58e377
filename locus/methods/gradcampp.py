"""Grad-CAM++."""

import torch
from torch import Tensor

from locus.methods.base import ChannelMethod
from locus.methods.evidence import Evidence


class GradCAMpp(ChannelMethod):
    """Grad-CAM with positive gradients only, weighted by a second-order alpha; values >= 0.

    ``L_k = ReLU(sum_c (sum_xy alpha_kc ReLU(G_kc)) A_c)``, ``alpha = G^2 / (2 G^2 + sum_xy(A) G^3)``, 0 where the
    denominator is 0. Source: Chattopadhay et al., WACV 2018, eq. 19, for Y = exp(S): exp(S) cancels out of alpha and
    otherwise only scales the map, so it is left out. Computed as ``1 / (2 + sum_xy(A) G)``: cubes of small gradients
    underflow. Caveat: (sum A) G^3, not sum (A G^3). Where A < 0 the denominator can be negative.
    """

    name = "gradcampp"
    needs = frozenset({"features", "gradients"})
    rectified = True
    source = "Chattopadhay et al., WACV 2018, eq. 19"
    other_packages = (
        "grad-cam adds 1e-6 to the denominator, which is not small compared with G^2 under AVG: masks at .5 overlap "
        "those of the exact formula by .77 to .84, and at 512 px the maximum is at the same position in a third of the "
        "maps. torchcam loses the division (it is done in place on a copy), so its weights are sums of ReLU(G)^3."
    )

    def weights(self, A: Tensor, G: Tensor) -> Tensor:
        """Return the sums of alpha * ReLU(G), (N,K,C,1,1)."""
        positive, total = G.clamp(min=0), A.sum((-2, -1), keepdim=True)
        denominator = (positive * total).add_(2)
        if total.min() < 0:  # else no denominator is below 2
            denominator.masked_fill_(denominator == 0, torch.inf)
        return positive.div_(denominator).sum((-2, -1), keepdim=True)

    def channel_weights(self, evidence: Evidence) -> Tensor:
        """Return the weights (N,K,C), computed finding by finding to save memory."""
        weights = [
            self.weights(evidence.A.unsqueeze(1), G.unsqueeze(1))[..., 0, 0]
            for G in evidence.gradients.each()
        ]
        return torch.cat(weights, 1)
