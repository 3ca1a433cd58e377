"""Before times are compared: every package makes the same Grad-CAM as this engine, by the very calls that are timed."""

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
"""Of a map's maximum. The packages add 1e-7 here and there and scale twice."""


def check(model: "Classifier", images: Tensor) -> dict[str, float]:
    """The largest difference of each package's Grad-CAM from ours, both scaled to [0,1], for one finding.

    It is the finding that shows most. Raises ``LocusError`` where one differs by more than ``TOLERANCE``: the times of
    different things say nothing.
    """
    ours = explain(model, images, ("gradcam",))["gradcam"].cpu()
    finding = int(ours.amax((2, 3)).amin(0).argmax())  # the one whose map is empty for no image, if any
    makers = {"grad-cam, Grad-CAM": contenders.package("GradCAM")}
    makers |= {names.CAPTUM: contenders.captum, names.TORCHCAM: contenders.torchcam}
    differences = {}
    for name, prepare in makers.items():
        theirs = _only(prepare(model, images, [finding])()).flatten(0, -3)
        differences[name] = float((scaled(theirs) - expected(ours[:, finding], theirs)).abs().max())
        if not differences[name] <= TOLERANCE:
            raise LocusError(
                f"{name} of finding {finding} differs from ours by {differences[name]:.2g} of its maximum "
                f"(at most {TOLERANCE} is rounding): times of different maps are not compared"
            )
    return differences


def _only(made: Any) -> Tensor:
    """The maps in the lists, of one finding and one layer, that a package gives."""
    while isinstance(made, list):
        (made,) = made
    return torch.as_tensor(made).detach().cpu()


def expected(ours: Tensor, theirs: Tensor) -> Tensor:
    """(N,h,w) our maps scaled to [0,1], at the size of ``theirs`` (N,·,·) where that is the images'."""
    if ours.shape == theirs.shape:
        return scaled(ours)
    maps = scaled(ours).unsqueeze(1)
    return scaled(interpolate(maps, size=theirs.shape[-2:], mode="bilinear", align_corners=False).squeeze(1))


def scaled(maps: Tensor) -> Tensor:
    """(N,h,w) -> each map's own min-max scale, 0 where it is flat."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp(min=torch.finfo(maps.dtype).tiny)
