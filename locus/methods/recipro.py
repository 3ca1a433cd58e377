"""Recipro-CAM."""

import torch
from torch import Tensor

from locus.methods.ablationcam import modified_logits
from locus.methods.base import Method
from locus.methods.evidence import Evidence

BLUR = torch.tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]], device="cpu") / 16
"""Gaussian window around a position."""


class Recipro(Method):
    """Logit with only the features around the position, minus the logit with all features 0; signed; no gradients.

    ``L_k(x,y) = S_k(A * N_xy) - S_k(0)``, N_xy a 3 x 3 Gaussian around (x,y), 1/4 in its middle. Source: Byun and Lee,
    CVPR workshops 2024 (arXiv:2209.14074), equations 2 and 3.

    Only the head is evaluated, h*w times per image for all findings at once. S_k(0) is the same at every position, so
    the paper's scaling to [0,1] removes it, too. The paper uses softmax probabilities; here logits are used, because
    several findings may be present. Under AVG pooling the map is a blurred CAM, up to a factor.
    """

    name = "recipro"
    needs = frozenset({"features", "head"})
    source = "Byun and Lee, CVPR workshops 2024, eq. 2-3"
    extra_cost = "h*w evaluations of the head per image"

    def maps(self, evidence: Evidence) -> Tensor:
        """Return signed maps (N,K,h,w), computed in batches of positions that fit in memory."""
        h, w = evidence.A.shape[-2:]
        scores = modified_logits(
            evidence, h * w, lambda A, part: A * _windows(part, A)
        )  # (N, K, h w)
        empty = evidence.head(torch.zeros_like(evidence.A))
        return (scores - empty.unsqueeze(-1)).unflatten(-1, (h, w))


def _windows(positions: Tensor, A: Tensor) -> Tensor:
    """Return the Gaussian around each of M positions (row-major), cropped at the edges of A: (M,1,h,w)."""
    h, w = A.shape[-2:]
    padded = torch.zeros(len(positions), 1, h + 2, w + 2)
    for n, position in enumerate(positions.tolist()):
        y, x = divmod(position, w)
        padded[n, 0, y : y + 3, x : x + 3] = BLUR
    return padded[..., 1:-1, 1:-1].to(A)
