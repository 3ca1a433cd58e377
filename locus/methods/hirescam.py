"""HiResCAM."""

from collections.abc import Iterator

from torch import Tensor

from locus.methods.base import Method
from locus.methods.evidence import Evidence


class HiResCAM(Method):
    """First-order contribution of each position to the logit: its own gradients times its own features; signed.

    ``L_k = sum_c G_kc * A_c``, position by position. Source: Draelos and Carin, arXiv:2011.08891.

    The paper has no ReLU. Its sum over positions is the sum of A * G for any head; with AVG pooling it equals
    CAM / (h w). Caveat: with MAX pooling G is 0 but at one position per channel, so the map is a few points.
    """

    name = "hirescam"
    needs = frozenset({"features", "gradients"})
    source = "Draelos and Carin, arXiv:2011.08891"

    def maps(self, evidence: Evidence) -> Tensor:
        """Return signed maps, (N,K,h,w)."""
        return evidence.gradients.dot_channels(evidence.A)

    def terms(self, evidence: Evidence) -> Iterator[Tensor]:
        """Yield gradients times features (N,C,h,w), finding by finding."""
        return (G * evidence.A for G in evidence.gradients.each())
