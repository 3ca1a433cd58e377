"""Values of the option ``smooth`` of every method: ``aug`` and ``eigen``."""

import itertools

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from locus.core.errors import BadValueError
from locus.core.frames import Grid
from locus.methods._principal import first_component
from locus.methods.base import Method
from locus.methods.evidence import Evidence
from locus.methods.fusion import moved


class Aug:
    """``smooth=aug``: the mean of the maps of six views, flipped or not, at .9, 1 and 1.1 times the size.

    Each view's map is mapped back by the network's grid at that size. The sides of a transformer's images stay
    multiples of its patch size. Six times the cost. Not available for networks with a fixed image size.
    """

    other_packages = (
        "grad-cam's `aug_smooth` multiplies the pixel values, not the image size, by .9, 1 and 1.1, and scales the map "
        "of each view to [0, 1]: for LayerCAM on a small CNN with random weights, the masks of grad-cam and Locus at "
        "threshold .5 have an overlap of .76 with AVG pooling and .83 with PCAM pooling."
    )
    scales = (0.9, 1.0, 1.1)

    def __call__(self, method: Method, evidence: Evidence) -> Tensor:
        """Return maps (N,K,h,w) on the grid of the method. If the method is rectified, each view is rectified, too."""
        whole = method.maps(evidence)
        target, shape = method.grid(evidence), (whole.shape[-2], whole.shape[-1])
        maps = []
        for scale, flip in itertools.product(self.scales, (False, True)):
            view = (
                evidence
                if scale == 1 and not flip
                else evidence.for_images(_view(evidence, scale, flip))
            )
            view_maps = whole if view is evidence else method.maps(view)
            view_maps = view_maps.clamp(min=0) if method.rectified else view_maps
            grid = method.grid(view)
            if flip:
                view_maps, grid = view_maps.flip(-1), _mirrored(grid, view_maps.shape[-1])
            maps.append(view_maps if view is evidence else moved(view_maps, grid, target, shape))
        return torch.stack(maps).mean(0)


class Eigen:
    """``smooth=eigen``: replace the method's sum over channels by the first principal axis of the terms.

    Same as ``eigen_smooth`` of the grad-cam package, but centred over positions and with the sign of Eigen-Grad-CAM
    (which is ``hirescam:smooth=eigen``). Not available for a method that is not a sum over channels.
    """

    def __call__(self, method: Method, evidence: Evidence) -> Tensor:
        """Return maps (N,K,h,w)."""
        return torch.stack([first_component(terms) for terms in method.terms(evidence)], 1)


def get(word: str) -> Aug | Eigen:
    """Return the smoothing with the name ``word``. Raises ``BadValueError`` if there is none."""
    classes: dict[str, type[Aug] | type[Eigen]] = {"aug": Aug, "eigen": Eigen}
    if word not in classes:
        raise BadValueError(f"smooth is {word!r}: give one of {', '.join(classes)}")
    return classes[word]()


def _view(evidence: Evidence, scale: float, flip: bool) -> Tensor:
    """Return the images at ``scale``, (N,3,H',W'), mirrored left to right if ``flip``."""
    step, (H, W) = evidence.patch_size, evidence.images.shape[-2:]
    size = [max(1, round(side * scale / step)) * step for side in (H, W)]
    images = interpolate(evidence.images.float(), size, mode="bilinear", antialias=True).to(
        evidence.images.dtype
    )
    return images.flip(-1) if flip else images


def _mirrored(grid: Grid, columns: int) -> Grid:
    """Return the grid of a mirrored map with ``columns`` columns, in the original image."""
    last = grid.offset[1] + grid.stride[1] * (columns - 1)
    return Grid(grid.size, grid.stride, (grid.offset[0], grid.size[1] - 1 - last))
