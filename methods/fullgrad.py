"""FullGrad."""

import torch
from torch import Tensor

from core.frames import Grid
from methods.evidence import Evidence
from methods.fusion import moved
from methods.pixelwise import PixelMethod


class FullGrad(PixelMethod):
    """What the pixels and the biases of all layers add to the logit, each where it is added; values >= 0, per pixel.

    ``L_k = sum_rgb psi(dS_k/dI * I) + sum_l sum_c psi(dS_k/dz_lc * b_lc)``, b_l the bias of layer l, z_l what the layer
    gives; psi takes magnitudes, divides them so that each layer's span [0, 1], and brings them to the pixels. Source:
    Srinivas and Fleuret, NeurIPS 2019, section 4.

    Without psi the terms sum to the features' part of the logit; that is verified, and a network where they do not
    (SiLU, GELU, layer norm, gates) has no map. The head's bias has no position and is left out, as in the authors'
    code. Trap: psi makes all layers equal: one whose biases do nearly nothing weighs as much as the pixels.
    """

    name = "fullgrad"
    source = "Srinivas and Fleuret, NeurIPS 2019, sec. 4"
    serves = "networks of convolutions, batch norm and rectifiers"

    def attribute(self, evidence: Evidence, image: Tensor) -> Tensor:
        """(1,3,H,W) -> (K,1,H,W). Raises ``NotAvailableError`` for a network whose terms do not sum to the whole."""
        return torch.cat([_summed(terms, evidence.pixel_grid) for terms in evidence.full_gradients(image)])


def _summed(terms: list[tuple[Grid, Tensor]], pixels: Grid) -> Tensor:
    """(1,1,H,W): what lies on the same grid is brought to the pixels together."""
    layers: dict[tuple[Grid, torch.Size], list[Tensor]] = {}
    for grid, values in terms:
        layers.setdefault((grid, values.shape[-2:]), []).append(spanned(values).sum(1, keepdim=True))
    sums = [(grid, torch.stack(maps).sum(0)) for (grid, _), maps in layers.items()]
    return torch.stack([moved(map_, grid, pixels, pixels.size) for grid, map_ in sums]).sum(0)


def spanned(values: Tensor) -> Tensor:
    """(1,C,h,w) -> magnitudes from 0 to 1 over all channels; zeros where all are equal."""
    size = values.abs() - values.abs().amin()
    return size / size.amax().clamp(min=torch.finfo(size.dtype).tiny)
