"""Grad-CAM++."""

import torch
from torch import Tensor

from methods.base import GradientMethod


class GradCAMpp(GradientMethod):
    """Positions whose features raise the logit; positive gradients count, weighted by a second-order alpha; values >= 0.

    ``L_k = ReLU(sum_c (sum_xy alpha_kc ReLU(G_kc)) A_c)``, ``alpha = G^2 / (2 G^2 + sum_xy(A) G^3)``, 0 where the
    denominator is 0. Source: Chattopadhay et al., WACV 2018, equation 19, for Y = exp(S): the factor exp(S) cancels
    out of alpha and scales the map only, so it is left out and no logit overflows.

    Computed as ``1 / (2 + sum_xy(A) G)``, the same fraction divided by G^2: cubes of small gradients underflow. Trap:
    (sum A) G^3, not sum (A G^3). Where A < 0 (SiLU, FPA) the denominator can be negative; the formula stays as printed.
    """

    name = "gradcampp"
    rectified = True
    source = "Chattopadhay et al., WACV 2018, eq. 19"

    def weights(self, A: Tensor, G: Tensor) -> Tensor:
        """(N,K,C,1,1) sums of alpha * ReLU(G); where G = 0 alpha does not matter."""
        denominator = 2 + A.sum((-2, -1), keepdim=True) * G
        alpha = torch.where(denominator == 0, 0, 1 / denominator)
        return (alpha * G.clamp(min=0)).sum((-2, -1), keepdim=True)
