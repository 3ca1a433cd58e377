"""CAM."""

from torch import Tensor

from locus.methods.base import Method
from locus.methods.evidence import Evidence


class CAM(Method):
    """Evidence for the finding at each position, by the weights of the classifier; signed, without bias.

    ``M_k(x,y) = sum_c w_kc A_c(x,y)``. Source: Zhou et al., CVPR 2016, equation 2.

    All poolings of Locus have one linear weight vector per finding, so the map exists for all of them (with AVG_MAX the
    weight groups are summed). A model without such weights has no CAM: n/a. Caveat: the bias is not added.
    """

    name = "cam"
    needs = frozenset({"features", "class_maps"})
    source = "Zhou et al., CVPR 2016, eq. 2"
    networks = "one linear layer over one pooled map"

    def maps(self, evidence: Evidence) -> Tensor:
        """Return the model's class maps, (N,K,h,w)."""
        return evidence.class_maps
