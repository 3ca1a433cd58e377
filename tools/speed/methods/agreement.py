"""Check that all packages give the same Grad-CAM maps as Locus before their times are compared."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from benchmark.explain import explain
from core.errors import LocusError
from tools.speed import names
from tools.speed.methods import contenders

if TYPE_CHECKING:
    from backbones import Classifier

TOLERANCE = 1e-3
"""Maximum difference, as a share of a map's maximum. The packages add 1e-7 in several places and scale twice."""


def check(model: "Classifier", images: Tensor) -> None:
    """Raise ``LocusError`` if the Grad-CAM of a package differs from that of Locus by more than ``TOLERANCE``.

    Maps of one finding are compared, scaled to [0,1].
    """
    ours = explain(model, images, ("gradcam",))["gradcam"].cpu()
    finding = int(ours.amax((2, 3)).amin(0).argmax())  # one with a map that is not empty for any image
    makers = {"grad-cam, Grad-CAM": contenders.package("GradCAM")}
    makers |= {names.CAPTUM: contenders.captum, names.TORCHCAM: contenders.torchcam}
    for name, prepare in makers.items():
        theirs = _only(prepare(model, images, [finding])()).flatten(0, -3)
        difference = float((scaled(theirs) - expected(ours[:, finding], theirs)).abs().max())
        if not difference <= TOLERANCE:
            raise LocusError(
                f"{name} of finding {finding} differs from that of Locus by {difference:.2g} of its maximum "
                f"(the limit for rounding errors is {TOLERANCE}): not timed"
            )


def _only(made: Any) -> Tensor:
    """Return the maps in nested lists of one item each, as returned by the packages."""
    while isinstance(made, list):
        (made,) = made
    return torch.as_tensor(made).detach().cpu()


def expected(ours: Tensor, theirs: Tensor) -> Tensor:
    """Return our maps (N,h,w) scaled to [0,1], at the size of ``theirs``."""
    if ours.shape == theirs.shape:
        return scaled(ours)
    maps = scaled(ours).unsqueeze(1)
    return scaled(interpolate(maps, size=theirs.shape[-2:], mode="bilinear", align_corners=False).squeeze(1))


def scaled(maps: Tensor) -> Tensor:
    """Scale each map of (N,h,w) to [0,1]; a constant map becomes 0."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp(min=torch.finfo(maps.dtype).tiny)
