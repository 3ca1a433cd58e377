"""Saliency."""

import torch
from torch import Tensor

from locus.methods._pixelwise import PixelMethod, slopes
from locus.methods.evidence import Evidence


class Saliency(PixelMethod):
    """Sensitivity of the logit to small changes of each pixel; values >= 0, at the input's size.

    ``L_k(x,y) = sum_rgb |dS_k/dI|``. Source: Simonyan et al., ICLR workshop 2014, section 3.

    Summed over the colours (the paper takes their maximum). Caveat: a sensitive pixel is not evidence for the finding.
    Costs a forward pass per image and a full backward pass per image and finding.
    """

    name = "saliency"
    source = "Simonyan et al., ICLR workshop 2014, sec. 3"

    def attribute(self, evidence: Evidence, image: Tensor) -> Tensor:
        """Return gradients of each logit (K,3,H,W) for an image (1,3,H,W)."""
        return torch.cat(list(slopes(evidence, image)))
