"""RISE."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from locus.core.errors import BadValueError
from locus.core.frames import Grid
from locus.methods.base import Method, require_positive, require_whole_number
from locus.methods.evidence import Evidence


class RISE(Method):
    """Mean logit under random masks that leave the pixel visible, minus the mean under all masks; signed.

    ``L_k(x,y) = sum_i (S_k(I * M_i) - mean_j S_k(I * M_j)) M_i(x,y) / (n p)``: masks M_i of ``cells`` x ``cells``
    random cells, each open with probability p, drawn soft and shifted. Source: Petsiuk et al., BMVC 2018, equation 6.

    The paper does not subtract the mean logit, which only adds a constant for many masks, but noise for few. Covered
    pixels are mean grey. Masks come from a separate generator and are the same for every image and finding. Caveat: the
    noise falls with the square root of ``count`` (the paper uses 4,000 to 8,000 masks).
    """

    name = "rise"
    needs = frozenset({"forwards"})
    source = "Petsiuk et al., BMVC 2018, eq. 6"
    extra_cost = "512 forward passes per image"

    def __init__(self, count: int = 512, cells: int = 7, p: float = 0.5, seed: int = 0) -> None:
        """Set ``count`` masks of ``cells`` by ``cells`` cells, each open with probability ``p``, 0 < p < 1."""
        self.count, self.cells = (
            require_whole_number("count", count, least=2),
            require_whole_number("cells", cells, least=2),
        )
        self.p, self.seed = require_positive("p", p), require_whole_number("seed", seed, least=0)
        if self.p >= 1:
            raise BadValueError(f"p is {p}: give a number above 0 and below 1")

    def maps(self, evidence: Evidence) -> Tensor:
        """Return maps at the input's size, (N,K,H,W)."""
        return torch.stack([self._map(evidence, image[None]) for image in evidence.images])

    def grid(self, evidence: Evidence) -> Grid:
        """Return the grid of the input's pixels."""
        return evidence.pixel_grid

    def _map(self, evidence: Evidence, image: Tensor) -> Tensor:
        """Return maps (K,H,W) of an image (1,3,H,W). Masks are drawn twice: to mask the image and to be summed.

        Summed in float64: the terms cancel, and a map must not depend on which other findings were asked for.
        """
        masks = Masks(self, image)
        logits = evidence.batched_forward(self.count, lambda part: image * masks(part))
        weights = (logits - logits.double().mean(0)) / (self.count * self.p)
        step = max(1, evidence.max_batch("forward"))
        parts = [
            slice(start, min(start + step, self.count)) for start in range(0, self.count, step)
        ]
        summed = sum(
            (
                torch.einsum("mk,mhw->khw", weights[part], masks(part)[:, 0].double())
                for part in parts
            ),
            torch.zeros(()).to(weights),
        )
        return summed.to(logits.dtype)


class Masks:
    """Random masks for images of one size; ``masks(slice)`` returns (m,1,H,W) of them, in [0,1]."""

    def __init__(self, method: RISE, image: Tensor) -> None:
        generator = torch.Generator().manual_seed(method.seed)
        self._size = (image.shape[-2], image.shape[-1])
        self._cell = [-(-side // method.cells) for side in self._size]
        side = method.cells + 1
        self._open = (
            torch.rand(method.count, 1, side, side, generator=generator, device="cpu") < method.p
        ).to(image)
        self._shift = [
            torch.randint(cell, (method.count,), generator=generator, device="cpu").tolist()
            for cell in self._cell
        ]

    def __call__(self, part: slice) -> Tensor:
        """Upsample the cells and crop them at a random shift."""
        size = [cell * self._open.shape[-1] for cell in self._cell]
        large = interpolate(self._open[part], size, mode="bilinear", align_corners=False)
        (H, W), ys, xs = self._size, self._shift[0][part], self._shift[1][part]
        return torch.stack(
            [mask[:, y : y + H, x : x + W] for mask, y, x in zip(large, ys, xs, strict=True)]
        )
