"""ShapleyCAM."""

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from locus.methods.base import ChannelMethod
from locus.methods.evidence import Evidence


class ShapleyCAM(ChannelMethod):
    """Sum of channels weighted by the mean gradient minus half the mean Hessian-feature product; values >= 0.

    ``L_k = ReLU(sum_c mean_xy(G_kc - (H_k A)_c / 2) A_c)``, H_k A the product of the Hessian of S_k and the features:
    their Shapley value to second order. Source: Cai, arXiv:2501.06261 (2025).

    Computes one Hessian-vector product through the head per finding. If a channel's mean gradient does not depend on
    the features (every pooling of Locus but PCAM, with a linear head), the mean product is 0 and the map is that of
    Grad-CAM. Caveat: under PCAM the second order may exceed the first and flip the sign of channels.
    """

    name = "shapleycam"
    needs = frozenset({"features", "gradients", "head"})
    rectified = True
    source = "Cai, arXiv:2501.06261"
    extra_cost = "two backward passes of the head per finding"
    other_packages = (
        "grad-cam uses the same weights. Under torch 2.15, its hooks keep the graph in memory."
    )

    def channel_weights(self, evidence: Evidence) -> Tensor:
        """Return the mean gradients minus half their mean change, (N,K,C)."""
        return evidence.gradients.mean() - _products(evidence) / 2


@torch.inference_mode(False)
def _products(evidence: Evidence) -> Tensor:
    """Return means of H_k A over positions, (N,K,C)."""
    with (
        torch.enable_grad(),
        sdpa_kernel(SDPBackend.MATH),
    ):  # fused attention is not differentiable twice
        A = evidence.A.detach().clone().requires_grad_()
        logits = evidence.head(A)
        return torch.stack([_product(logit, A).mean((-2, -1)) for logit in logits.unbind(1)], 1)


def _product(logit: Tensor, A: Tensor) -> Tensor:
    """Return H A (N,C,h,w) for logits (N,) of A (N,C,h,w); zeros if the gradient does not depend on A."""
    (G,) = torch.autograd.grad(logit.sum(), A, create_graph=True)
    if not G.requires_grad:
        return torch.zeros_like(A)
    (product,) = torch.autograd.grad(G, A, A.detach(), retain_graph=True, allow_unused=True)
    return torch.zeros_like(A) if product is None else product.detach()
