"""The option ``smooth`` of every method's word: maps averaged over views of the image, or reduced to one axis."""

import itertools

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from core.errors import BadValueError
from core.frames import Grid
from methods.base import Evidence, Method
from methods.fusion import moved
from methods.principal import first_component


class Aug:
    """``smooth=aug``: the mean of the maps of six views, flipped or not, at .9, 1 and 1.1 times the size.

    Each view's map is put back by the network's own grid at that size, mirrored for a flipped one. The sides of a
    transformer's images stay multiples of its patch. Six times the price. Not available for a network of one image
    size.
    """

    differs = (
        "grad-cam's `aug_smooth` multiplies the pixels' values by .9, 1 and 1.1, not the image's size, and spans "
        "[0, 1] with each view's map: for Layer-CAM of a random small CNN masks at .5 overlap by .76 under AVG and .83 "
        "under PCAM."
    )
    scales = (0.9, 1.0, 1.1)

    def __call__(self, method: Method, evidence: Evidence) -> Tensor:
        """(N,K,h,w) on the method's own grid; rectified, where the method is, view by view."""
        whole = method.maps(evidence)
        target, shape = method.grid(evidence), (whole.shape[-2], whole.shape[-1])
        maps = []
        for scale, flip in itertools.product(self.scales, (False, True)):
            view = evidence if scale == 1 and not flip else evidence.for_images(_view(evidence, scale, flip))
            seen = whole if view is evidence else method.maps(view)
            seen = seen.clamp(min=0) if method.rectified else seen
            grid = method.grid(view)
            if flip:
                seen, grid = seen.flip(-1), _mirrored(grid, seen.shape[-1])
            maps.append(seen if view is evidence else moved(seen, grid, target, shape))
        return torch.stack(maps).mean(0)


class Eigen:
    """``smooth=eigen``: the first principal axis of what the method sums over channels, in place of the sum.

    As the grad-cam package's ``eigen_smooth``; centred over positions, and the sign chosen, as in Eigen-Grad-CAM, which
    is ``hirescam:smooth=eigen``. Not available for a method that is no sum over channels.
    """

    def __call__(self, method: Method, evidence: Evidence) -> Tensor:
        """(N,K,h,w)."""
        return torch.stack([first_component(terms) for terms in method.terms(evidence)], 1)


def get(word: str) -> Aug | Eigen:
    """The smoothing of a word. Raises ``BadValueError`` for another."""
    known: dict[str, type[Aug] | type[Eigen]] = {"aug": Aug, "eigen": Eigen}
    if word not in known:
        raise BadValueError(f"smooth is {word!r}: write one of {', '.join(known)}")
    return known[word]()


def _view(evidence: Evidence, scale: float, flip: bool) -> Tensor:
    """(N,3,H',W') the images at ``scale``, mirrored left to right or not."""
    step, (H, W) = evidence.patch_size, evidence.images.shape[-2:]
    size = [max(1, round(side * scale / step)) * step for side in (H, W)]
    images = interpolate(evidence.images.float(), size, mode="bilinear", antialias=True).to(evidence.images.dtype)
    return images.flip(-1) if flip else images


def _mirrored(grid: Grid, columns: int) -> Grid:
    """The grid of a mirrored map of so many ``columns``, in the image that is not."""
    last = grid.offset[1] + grid.stride[1] * (columns - 1)
    return Grid(grid.size, grid.stride, (grid.offset[0], grid.size[1] - 1 - last))
