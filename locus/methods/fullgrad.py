"""FullGrad."""

import torch
from torch import Tensor

from locus.core.frames import Grid
from locus.methods._pixelwise import PixelMethod
from locus.methods.evidence import Evidence
from locus.methods.fusion import moved


class FullGrad(PixelMethod):
    """Contributions of the pixels and of all layers' biases to the logit, at their locations; values >= 0, per pixel.

    ``L_k = sum_rgb psi(dS_k/dI * I) + sum_l sum_c psi(dS_k/dz_lc * b_lc)``, b_l the bias of layer l, z_l its
    output; psi takes magnitudes, scales each layer to [0, 1] and resamples it to the pixels. Source: Srinivas and
    Fleuret, NeurIPS 2019, section 4.

    Without psi the terms sum to the logit minus the head's bias. This is verified, and networks for which it does not
    hold are not supported (SiLU, GELU, layer norm, gates). The head's bias has no position and is left out, as in the
    authors' code. Caveat: psi gives all layers the same weight: a layer with negligible biases counts as much as the
    pixels.
    """

    name = "fullgrad"
    source = "Srinivas and Fleuret, NeurIPS 2019, sec. 4"
    networks = "networks of convolutions, batch norm and rectifiers"
    other_packages = (
        "grad-cam scales each channel to [0, 1] separately, so that negligible channels count as much as the others, "
        "and resizes all layers without their grids: for a random small CNN, masks at .5 overlap by .95 under AVG and "
        ".90 under PCAM. If each layer has one channel, the maps are the same."
    )

    def attribute(self, evidence: Evidence, image: Tensor) -> Tensor:
        """Return (K,1,H,W) for an image (1,3,H,W). Raises ``NotAvailableError`` if the network is not supported."""
        return torch.cat([_summed(terms, evidence.pixel_grid) for terms in evidence.full_gradients(image)])


def _summed(terms: list[tuple[Grid, Tensor]], pixels: Grid) -> Tensor:
    """Resample the terms to the pixels and sum them, (1,1,H,W); terms on the same grid are resampled once."""
    layers: dict[tuple[Grid, torch.Size], list[Tensor]] = {}
    for grid, values in terms:
        layers.setdefault((grid, values.shape[-2:]), []).append(spanned(values).sum(1, keepdim=True))
    sums = [(grid, torch.stack(maps).sum(0)) for (grid, _), maps in layers.items()]
    return torch.stack([moved(map_, grid, pixels, pixels.size) for grid, map_ in sums]).sum(0)


def spanned(values: Tensor) -> Tensor:
    """Scale the magnitudes of (1,C,h,w) to [0,1] over all channels; zeros if all are equal."""
    size = values.abs() - values.abs().amin()
    return size / size.amax().clamp(min=torch.finfo(size.dtype).tiny)
