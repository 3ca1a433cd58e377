"""Eigen-CAM."""

from torch import Tensor

from locus.methods._principal import first_component
from locus.methods.base import Method
from locus.methods.evidence import Evidence


class EigenCAM(Method):
    """Projection of the features onto their first principal axis; signed, one map for all findings.

    ``L = (A - mean_xy A) v``, v the first right singular vector over positions. Source: Muhammad and Yeasin, IJCNN
    2020, without the mean; it is subtracted here as in the grad-cam package.

    Independent of the finding: computed once per image. The sign is chosen so that ``sum_xy L sum_c A_c > 0``; if the
    channels cancel, as after a LayerNorm, the largest value is positive (:mod:`locus.methods._principal`). Caveat: the
    axis is not unique if the two largest singular values are equal.
    """

    name = "eigencam"
    source = "Muhammad and Yeasin, IJCNN 2020"

    def maps(self, evidence: Evidence) -> Tensor:
        """Return one map per image, repeated K times, (N,K,h,w)."""
        return first_component(evidence.A).unsqueeze(1).repeat(1, len(evidence.findings), 1, 1)
