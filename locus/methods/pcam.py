"""PCAM's probability map."""

import torch
from torch import Tensor

from locus.core.errors import NotAvailableError
from locus.methods.base import Method
from locus.methods.evidence import Evidence


class PCAM(Method):
    """Probability of the finding at each position, which is its weight in PCAM pooling; values in [0,1].

    ``P_k(x,y) = sigmoid(w_k . A(x,y) + b_k)``. Source: Ye et al., arXiv:2005.14480.

    Requires a model with PCAM pooling: only then are the weights applied to single positions in training. Caveat: a
    monotone function of CAM plus bias, so confident findings saturate near 1 and absent ones near 0.
    """

    name = "pcam"
    needs = frozenset({"features", "class_maps"})
    source = "Ye et al., arXiv:2005.14480"
    networks = "PCAM pooling"

    def maps(self, evidence: Evidence) -> Tensor:
        """Return probabilities (N,K,h,w). Raises ``NotAvailableError`` for another pooling."""
        if evidence.pooling != "PCAM":
            pooling = evidence.pooling or "another pooling"
            raise NotAvailableError(
                f"the method 'pcam' requires a model with PCAM pooling; this one uses {pooling}"
            )
        return torch.sigmoid(evidence.class_maps + evidence.bias[:, None, None])
