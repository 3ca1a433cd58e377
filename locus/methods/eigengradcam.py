"""Eigen-Grad-CAM."""

import torch
from torch import Tensor

from locus.methods._principal import first_component
from locus.methods.base import Method
from locus.methods.evidence import Evidence


class EigenGradCAM(Method):
    """Projection of features times the finding's gradients onto their first principal axis; signed.

    ``L_k = (G_k * A - mean_xy(G_k * A)) v_k``, v_k the first right singular vector over positions. Source: the grad-cam
    package (Gildenblat, github.com/jacobgil/pytorch-grad-cam), after Eigen-CAM; no paper.

    One decomposition per image and finding, hence not ``fast``. The sign is chosen so that
    ``sum_xy L_k sum_c(G_kc * A_c) > 0``, or as in Eigen-CAM if these sums cancel. Caveat: scaling all gradients of a
    finding does not change the map's shape.
    """

    name = "eigengradcam"
    needs = frozenset({"features", "gradients"})
    costly = True
    source = "pytorch-grad-cam (Gildenblat 2021), no paper"

    def maps(self, evidence: Evidence) -> Tensor:
        """Return signed maps (N,K,h,w). One finding at a time: the float64 copy of (N,C,h,w) dominates the memory."""
        return torch.stack([first_component(G * evidence.A) for G in evidence.gradients.each()], 1)
