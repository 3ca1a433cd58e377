"""FullGrad."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from locus.core.errors import BadValueError
from locus.core.frames import Grid
from locus.methods._pixelwise import PixelMethod
from locus.methods.evidence import Evidence
from locus.methods.fusion import moved


class FullGrad(PixelMethod):
    """Contributions of the pixels and of all layers' biases to the logit, at their locations; values >= 0, per pixel.

    ``L_k = sum_rgb psi(dS_k/dI * I) + sum_l sum_c psi(dS_k/dz_lc * b_lc)``, b_l the bias of layer l, z_l its
    output; psi takes magnitudes, scales each layer to [0, 1] and resamples it to the pixels. Source: Srinivas and
    Fleuret, NeurIPS 2019, section 4.

    Without psi the terms sum to the logit minus the head's bias. This is verified. For rectifiers and convolutions it
    holds by itself. Elsewhere gradients are balanced (LibraGrad: Mehri et al., CVPR 2025, arXiv:2411.16760): the
    denominators of norms, the weights of attention and the gates of GELU and SiLU count as constant, and two factors
    share their product equally. Networks of rectifiers keep their maps. Biases of tokens are placed on their patches,
    also within Swin's windows. Class and register tokens and the head's bias have no position: they count in the sum
    and are left out of the map. Caveat: psi gives all layers the same weight: a layer with negligible biases counts as
    much as the pixels.

    ``fullgrad:layers=input`` is input x gradient, ``fullgrad:libra=False`` refuses networks that need balanced
    gradients.

    ``fullgrad:layers=last,form=signed,bias=False`` sets the ``layers`` that count (``all``, ``last``, ``last3`` or only
    the ``input``), the ``form`` of psi (``absolute``, ``positive`` or ``signed``: no scaling by magnitude, positive
    values of the sum), and whether gradients are multiplied by the ``bias``.
    """

    name = "fullgrad"
    source = (
        "Srinivas and Fleuret, NeurIPS 2019, sec. 4; Mehri et al., CVPR 2025 (arXiv:2411.16760)"
    )
    networks = "networks of linear layers, rectifiers, gates, norms and attention"
    other_packages = (
        "grad-cam scales each channel to [0, 1] separately, so that negligible channels count as much as the others, "
        "and resizes all layers without their grids: for a random small CNN, masks at .5 overlap by .95 under AVG and "
        ".90 under PCAM. If each layer has one channel, the maps are the same."
    )

    def __init__(
        self, layers: str = "all", form: str = "absolute", bias: bool = True, libra: bool = True
    ) -> None:
        """Set the ``layers`` (from ``LAYERS``), the ``form`` (from ``FORMS``), and two switches.

        ``bias``: gradients are multiplied by the bias. ``libra``: gradients are balanced where they are not complete.
        """
        for option, value, allowed in (
            ("layers", layers, LAYERS),
            ("form", form, FORMS),
            ("bias", bias, (True, False)),
            ("libra", libra, (True, False)),
        ):
            if value not in allowed:
                raise BadValueError(
                    f"fullgrad has {option}={value!r}: give one of {', '.join(map(str, allowed))}"
                )
        self.layers, self.form = LAYERS[layers], FORMS[form]
        self.bias, self.libra = bias, libra

    def attribute(self, evidence: Evidence, image: Tensor) -> Tensor:
        """Return (K,1,H,W) for an image (1,3,H,W). Raises ``NotAvailableError`` if the network is not supported."""
        source: Any = evidence  # reduces terms when they are made, which the interface of methods does not require
        every = source.full_gradients(image, self.bias, self._reduced, self.libra)
        sums = [_summed(terms[self.layers], evidence.pixel_grid) for terms in every]
        return torch.cat(sums).clamp(min=0)

    def _reduced(self, values: Tensor) -> Tensor:
        """Return psi of a term (1,C,h,w), summed over channels."""
        return self.form(values).sum(1, keepdim=True)


def _summed(terms: list[tuple[Grid, Tensor]], pixels: Grid) -> Tensor:
    """Resample the terms to the pixels and sum them, (1,1,H,W); terms on the same grid are resampled once."""
    layers: dict[tuple[Grid, torch.Size], list[Tensor]] = {}
    for grid, values in terms:
        layers.setdefault((grid, values.shape[-2:]), []).append(values)
    sums = [(grid, torch.stack(maps).sum(0)) for (grid, _), maps in layers.items()]
    return torch.stack([moved(map_, grid, pixels, pixels.size) for grid, map_ in sums]).sum(0)


def spanned(values: Tensor) -> Tensor:
    """Scale the magnitudes of (1,C,h,w) to [0,1] over all channels; zeros if all are equal."""
    size = values.abs()
    low, high = size.amin(), size.amax()
    return size.sub_(low).div_((high - low).clamp(min=torch.finfo(size.dtype).tiny))


def _signed(values: Tensor) -> Tensor:
    return values / values.abs().amax().clamp(min=torch.finfo(values.dtype).tiny)


LAYERS = {"all": slice(None), "last": slice(-1, None), "last3": slice(-3, None), "input": slice(1)}
"""Layers of the option ``layers``, as a part of the terms, which begin with the pixels."""
FORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "absolute": spanned,
    "positive": lambda values: spanned(values.clamp(min=0)),
    "signed": _signed,
}
"""Functions of the option ``form``."""
