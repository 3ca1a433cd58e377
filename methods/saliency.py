"""Saliency."""

import torch
from torch import Tensor

from methods.evidence import Evidence
from methods.pixelwise import PixelMethod, slopes


class Saliency(PixelMethod):
    """How much each pixel, changed a little, moves the logit, up or down; values >= 0, at the input's size.

    ``L_k(x,y) = sum_rgb |dS_k/dI|``. Source: Simonyan et al., ICLR workshop 2014, section 3.

    Summed over the colours (the paper takes their maximum). Trap: it says where the logit is sensitive, not what speaks
    for the finding. Costs a forward pass per image and a backward pass through the whole network per image and finding.
    """

    name = "saliency"
    source = "Simonyan et al., ICLR workshop 2014, sec. 3"

    def attribute(self, evidence: Evidence, image: Tensor) -> Tensor:
        """(1,3,H,W) -> (K,3,H,W) gradients of each logit."""
        return torch.cat(list(slopes(evidence, image)))
