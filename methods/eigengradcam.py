"""Eigen-Grad-CAM."""

import torch
from torch import Tensor

from methods.base import Evidence, Method
from methods.principal import first_component


class EigenGradCAM(Method):
    """Where the features times the finding's gradients differ most from their mean, along their first axis; signed.

    ``L_k = (G_k * A - mean_xy(G_k * A)) v_k``, v_k the first right singular vector over positions. Source: the grad-cam
    package (Gildenblat, github.com/jacobgil/pytorch-grad-cam), after Eigen-CAM; no paper.

    One decomposition per image and finding, hence not ``fast``. The sign is chosen such that
    ``sum_xy L_k sum_c(G_kc * A_c) > 0``, or as Eigen-CAM's where these sums cancel. Trap: what a finding's gradients
    only scale keeps its map.
    """

    name = "eigengradcam"
    needs = frozenset({"features", "gradients"})
    costly = True
    source = "pytorch-grad-cam (Gildenblat 2021), no paper"

    def maps(self, evidence: Evidence) -> Tensor:
        """(N,K,h,w), one finding at a time: float64 of (N,C,h,w) is the largest thing in memory."""
        return torch.stack([first_component(G * evidence.A) for G in evidence.gradients.each()], 1)
