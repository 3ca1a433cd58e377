"""Grad-CAM."""

from torch import Tensor

from methods.base import GradientMethod


class GradCAM(GradientMethod):
    """Positions whose features raise the logit, each channel weighted by its mean gradient; values >= 0.

    ``L_k = ReLU(sum_c mean_xy(G_kc) A_c)``. Source: Selvaraju et al., ICCV 2017, equations 1 and 2.

    Trap: the gradient is the logit's, not the probability's. With AVG, MAX, LSE, EXP, AVG_MAX or AVG_MAX_LSE pooling
    it equals ReLU(CAM) / (h w), because their pooling weights sum to 1.
    """

    name = "gradcam"
    rectified = True
    source = "Selvaraju et al., ICCV 2017, eq. 1-2"

    def weights(self, A: Tensor, G: Tensor) -> Tensor:
        """(N,K,C,1,1) mean gradients."""
        return G.mean((-2, -1), keepdim=True)
