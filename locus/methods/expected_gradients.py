"""Expected Gradients."""

import torch
from torch import Tensor

from locus.core.types import generator
from locus.methods._pixelwise import PixelMethod, max_batch, slopes
from locus.methods.base import require_whole_number
from locus.methods.evidence import Evidence


class ExpectedGradients(PixelMethod):
    """Contribution of each pixel to the logit along straight paths from other patients' images; magnitudes, >= 0.

    ``L_k(x,y) = sum_rgb |mean_i (I - B_i) * dS_k/dI(B_i + t_i (I - B_i))|``, with n images ``B_i`` and uniform numbers
    ``t_i`` in [0, 1]. Source: Erion et al., Nature Machine Intelligence 2021, equation 3.

    Images ``B_i`` are drawn from the scored images of other patients. All images of a data set have the same draw,
    except for those of their own patient. Before magnitudes are taken, the pixels sum to about S_k minus its mean over
    the images. No image counts as empty, as the mean grey does for ``integrated_gradients``.
    """

    name = "expected_gradients"
    source = "Erion et al., Nature Machine Intelligence 2021, eq. 3"
    extra_cost = "32 forward passes, 32 backward passes per finding"

    def __init__(self, n: int = 32, seed: int = 0) -> None:
        """Set the number ``n`` of images that are drawn, and the ``seed`` of the draw."""
        self.n, self.seed = (
            require_whole_number("n", n),
            require_whole_number("seed", seed, least=0),
        )

    def maps(self, evidence: Evidence) -> Tensor:
        """Return maps >= 0 (N,K,H,W). Raises ``NotAvailableError`` without images of other patients."""
        numbers = generator(self.seed, "expected gradients").random(self.n, dtype="float32")
        shape = (len(evidence.images), len(evidence.findings), *evidence.images.shape[-2:])
        maps = evidence.images.new_full(shape, torch.nan)
        with torch.inference_mode(False), torch.enable_grad():
            for n, image in enumerate(evidence.images.detach().split(1)):
                baselines = evidence.references(n, self.n, self.seed)
                if bool(image.isfinite().all()):
                    shares = torch.from_numpy(numbers).to(image)
                    maps[n] = expected(evidence, image, baselines, shares).detach().abs().sum(1)
        return maps


def expected(evidence: Evidence, image: Tensor, baselines: Tensor, shares: Tensor) -> Tensor:
    """Return the mean over baselines of their difference from the image times the gradient.

    Args:
        evidence: the evidence of the network.
        image: (1,3,H,W).
        baselines: (n,3,H,W).
        shares: (n,) the point of the gradient on the straight path: 0 is the baseline, 1 the image.

    Returns:
        (K,3,H,W), one per finding.
    """
    changes, step = image - baselines, max_batch(evidence)
    points = baselines + shares.view(-1, 1, 1, 1) * changes
    total = image.new_zeros(())
    for point, change in zip(points.split(step), changes.split(step), strict=True):
        total = total + torch.stack([(change * slope).sum(0) for slope in slopes(evidence, point)])
    return total / len(baselines)
