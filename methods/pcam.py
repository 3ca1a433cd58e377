"""PCAM's probability map."""

import torch
from torch import Tensor

from core.errors import NotAvailableError
from methods.base import Evidence, Method


class PCAM(Method):
    """The probability of the finding at each position, by which PCAM pooling weighs it; values in [0,1].

    ``P_k(x,y) = sigmoid(w_k . A(x,y) + b_k)``. Source: Ye et al., arXiv:2005.14480.

    Needs a model whose pooling is PCAM: only there do the weights see single positions in training. Trap: a
    monotone function of CAM with the bias in it, so a sure finding is flat near 1 and an absent one flat near 0.
    """

    name = "pcam"
    needs = frozenset({"features", "class_maps"})
    source = "Ye et al., arXiv:2005.14480"
    serves = "PCAM pooling"

    def maps(self, evidence: Evidence) -> Tensor:
        """(N,K,h,w) probabilities. Raises ``NotAvailableError`` for another pooling."""
        if evidence.pooling != "PCAM":
            pooled = evidence.pooling or "something unknown"
            raise NotAvailableError(
                "the method 'pcam' shows by what PCAM pools, and these "
                f"features are pooled by {pooled}: use a PCAM model"
            )
        return torch.sigmoid(evidence.class_maps + evidence.bias[:, None, None])
