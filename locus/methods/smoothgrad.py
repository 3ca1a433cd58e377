"""SmoothGrad."""

import torch
from torch import Tensor

from locus.methods._pixelwise import PixelMethod, weighted_slopes
from locus.methods.base import require_positive, require_whole_number
from locus.methods.evidence import Evidence


class SmoothGrad(PixelMethod):
    """Saliency averaged over noisy copies of the image, which cancels pixel-level noise; values >= 0.

    ``L_k(x,y) = sum_rgb |mean_i dS_k/dI(I + noise_i)|``, noise_i normal with a deviation of ``level`` times the image's
    range. Source: Smilkov et al., 2017, section 3.

    The magnitude is taken after the mean, as in the paper (captum's NoiseTunnel over its Saliency takes it before). The
    noise comes from a separate generator on the CPU: it is the same for every image, finding, batch and device.
    """

    name = "smoothgrad"
    source = "Smilkov et al., 2017, sec. 3"

    def __init__(self, samples: int = 16, level: float = 0.15, seed: int = 0) -> None:
        """Set the number of ``samples`` and the noise ``level`` relative to the image's range (paper: .1 to .2)."""
        self.samples, self.level = (
            require_whole_number("samples", samples),
            require_positive("level", level),
        )
        self.seed = require_whole_number("seed", seed, least=0)

    def attribute(self, evidence: Evidence, image: Tensor) -> Tensor:
        """Return mean gradients of each logit (K,3,H,W) for an image (1,3,H,W)."""
        generator = torch.Generator().manual_seed(self.seed)
        noise = torch.randn(self.samples, *image.shape[1:], generator=generator).to(image)
        copies = image + self.level * (image.max() - image.min()) * noise
        return weighted_slopes(evidence, copies, torch.full((self.samples,), 1 / self.samples))
