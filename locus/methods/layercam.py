"""LayerCAM."""

from collections.abc import Iterator

import torch
from torch import Tensor

from locus.core.frames import Grid
from locus.methods.base import Method
from locus.methods.evidence import Evidence
from locus.methods.fusion import divide_by_maximum, finest, largest


class LayerCAM(Method):
    """Features weighted by their positive gradients at each position, summed over channels and rectified; values >= 0.

    ``L_k = ReLU(sum_c ReLU(G_kc) * A_c)``, position by position. Source: Jiang et al., TIP 2021.

    ``layercam:layers=layer2+layer3`` is the maximum over the map of the layer that the network pools and those of
    earlier layers, on the finest layer's grid. Earlier layers are scaled by ``tanh(2 L / max L)`` as in the paper, the
    pooled layer by ``L / max L``.
    """

    name = "layercam"
    needs = frozenset({"features", "gradients"})
    rectified = True
    source = "Jiang et al., TIP 2021"

    def __init__(self, layers: str = "") -> None:
        """Set ``layers``, earlier layers of the model joined by ``+``; empty for the pooled layer alone."""
        self.layers = [layer for layer in str(layers).split("+") if layer]

    def grid(self, evidence: Evidence) -> Grid:
        """Return the grid of the finest layer, without running the network."""
        grids = [evidence.grid, *map(evidence.grid_at, self.layers)]
        return grids[finest(grids)]

    def terms(self, evidence: Evidence) -> Iterator[Tensor]:
        """Yield terms (N,C,h,w), finding by finding. Raises ``NotAvailableError`` for fused layers."""
        if self.layers:
            return super().terms(evidence)
        return (G.clamp(min=0) * evidence.A for G in evidence.gradients.each())

    def maps(self, evidence: Evidence) -> Tensor:
        """Return maps (N,K,h,w) at the positions of the finest layer; fused ones are already rectified."""
        layers = [evidence, *map(evidence.at, self.layers)]
        maps = [layer.gradients.positive().dot_channels(layer.A) for layer in layers]
        if not self.layers:
            return maps[0]
        pooled, *earlier = map(divide_by_maximum, maps)
        return largest([pooled, *(torch.tanh(2 * map_) for map_ in earlier)], layers)
