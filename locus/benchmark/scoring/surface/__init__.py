"""Exact geometry of a heat map's bilinear surface, without pixels, for all protocols.

``bilinear`` places the surface on its frame and computes its integrals and the boxes of its components (``runs``,
compiled). ``trace`` computes the box of the highest component at all thresholds (``peak_trace``, compiled), or wraps
boxes submitted without a map; ``critical`` computes the thresholds at which that box hits. ``traces`` and ``batch``
store many cases in flat arrays, for which ``overlap`` (compiled) computes boxes and overlaps at once. ``otsu`` computes
a threshold from the map alone.
"""

from locus.benchmark.scoring.surface.bilinear import Surface, all_boxes, as_heat_map, min_max, surface

__all__ = ["Surface", "all_boxes", "as_heat_map", "min_max", "surface"]
