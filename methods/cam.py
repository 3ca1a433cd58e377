"""CAM."""

from torch import Tensor

from methods.base import Evidence, Method


class CAM(Method):
    """How strongly each position speaks for the finding, by the classifier's own weights; signed, bias dropped.

    ``M_k(x,y) = sum_c w_kc A_c(x,y)``. Source: Zhou et al., CVPR 2016, equation 2.

    Every pooling here has one linear weight vector per finding, so the map exists for all of them (with AVG_MAX the
    weight groups add up). A model without such weights has no CAM: n/a. Trap: subtracting nothing, adding no bias.
    """

    name = "cam"
    needs = frozenset({"features", "class_maps"})
    source = "Zhou et al., CVPR 2016, eq. 2"
    serves = "one linear layer over one pooled map"

    def maps(self, evidence: Evidence) -> Tensor:
        """(N,K,h,w) class maps as the model gives them."""
        return evidence.class_maps
