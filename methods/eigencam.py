"""Eigen-CAM."""

from torch import Tensor

from methods.base import Evidence, Method
from methods.principal import first_component


class EigenCAM(Method):
    """Where the features differ most from their mean, along their first principal axis; signed, one for all findings.

    ``L = (A - mean_xy A) v``, v the first right singular vector over positions. Source: Muhammad and Yeasin, IJCNN
    2020, who do not centre; the grad-cam package does, and so do we.

    Blind to the finding: computed once per image. The sign is chosen such that ``sum_xy L sum_c A_c > 0``; where the
    channels cancel, as after a LayerNorm, the largest value is positive (:mod:`methods.principal`). Trap: with two
    equal largest singular values the axis is not unique.
    """

    name = "eigencam"
    source = "Muhammad and Yeasin, IJCNN 2020"

    def maps(self, evidence: Evidence) -> Tensor:
        """(N,K,h,w), one map per image K times."""
        return first_component(evidence.A).unsqueeze(1).repeat(1, len(evidence.findings), 1, 1)
