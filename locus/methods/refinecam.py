"""RefineCAM."""

import torch
from torch import Tensor

from locus import methods
from locus.core.errors import BadValueError, NotAvailableError
from locus.core.frames import Grid
from locus.methods.base import Method
from locus.methods.evidence import Evidence
from locus.methods.fusion import finest, moved

BASES = ("gradcam", "gradcampp", "hirescam", "layercam", "xgradcam")
"""Methods that use only features and gradients and can therefore run at any layer."""


class RefineCAM(Method):
    """Product of the maps of a base method at the pooled layer and at the two layers before it; values in [0, 1].

    ``L_k = prod_l N(ReLU(base at layer l))``, N scales to [0, 1], each map resampled to the finest layer's grid.
    Source: Domeniconi et al., ICPR 2026 (arXiv:2605.14641).

    ``refinecam:layers=layer2+layer3,base=layercam`` sets the earlier layers and the base method. Caveat: a position
    that one layer does not mark is 0. One more forward pass per earlier layer, and one backward pass per finding
    from it.
    """

    name = "refinecam"
    needs = frozenset({"features", "forwards", "gradients"})
    source = "Domeniconi et al., ICPR 2026 (arXiv:2605.14641)"
    networks = "networks with layers before the pooled one"
    extra_cost = "10 forward passes for 8 findings (small CNN)"
    other_packages = (
        "torchcam gives the same map on layers with conventional grids (`base=layercam`). grad-cam resizes each map to "
        "the image before it multiplies, with a second scaling to [0, 1]."
    )

    def __init__(self, layers: str = "", base: str = "gradcampp") -> None:
        """Set the earlier ``layers``, joined by ``+`` (empty: the last two), and the ``base`` (from ``BASES``)."""
        if base not in BASES:
            raise BadValueError(f"refinecam has base={base!r}: give one of {', '.join(BASES)}")
        self.base: Method = methods.get(base)()
        self.layers = [layer for layer in str(layers).split("+") if layer]

    def grid(self, evidence: Evidence) -> Grid:
        """Return the grid of the finest layer."""
        grids = [evidence.grid, *map(evidence.grid_at, self._earlier(evidence))]
        return grids[finest(grids)]

    def maps(self, evidence: Evidence) -> Tensor:
        """Return the products (N,K,h,w). Raises ``NotAvailableError`` for a network without earlier layers."""
        levels = [evidence, *map(evidence.at, self._earlier(evidence))]
        target = levels[finest([level.grid for level in levels])]
        h, w = target.A.shape[-2:]
        maps = [
            moved(_scaled(self.base.maps(level)), level.grid, target.grid, (h, w))
            for level in levels
        ]
        return torch.stack(maps).prod(0)

    def _earlier(self, evidence: Evidence) -> list[str]:
        layers = self.layers or list(evidence.layer_names[-2:])
        if not layers:
            raise NotAvailableError(
                "refinecam multiplies maps of several layers, but this network has only one"
            )
        return layers


def _scaled(maps: Tensor) -> Tensor:
    """Rectify maps (N,K,h,w) and scale each to [0, 1]; a constant map becomes 0."""
    maps = maps.clamp(min=0)
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    return (maps - low) / torch.where(high > low, high - low, 1)
