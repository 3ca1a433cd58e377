"""Exact geometry of a heat map's bilinear surface, without pixels, for all protocols.

``bilinear``  the surface on its frame: integrals, pixels, and the boxes of its components (compiled in ``_runs``)
``trace``     the box of the highest component at all thresholds, or boxes submitted without a map
``batch``     boxes and traces of many cases in flat arrays, their overlaps, and the thresholds at which a box hits
"""

from locus.scoring.surface.bilinear import (
    Surface,
    all_boxes,
    as_heat_map,
    min_max,
    surface,
)

__all__ = ["Surface", "all_boxes", "as_heat_map", "min_max", "surface"]
