"""The scoring engine: everything a protocol asks of a heat map's bilinear surface, exact, without a pixel.

``bilinear`` lays the surface on its frame and gives the boxes of its components (``runs``, compiled) and its integrals.
``trace`` follows the box of the highest component through all thresholds (``peak_trace``, compiled), or
has boxes that came without a map; ``critical`` says at which thresholds it hits. ``traces`` and ``batch`` hold many
cases in flat arrays, for which ``overlap`` (compiled) gives boxes and overlaps at once; ``otsu`` is a map's own
threshold.
"""

from benchmark.scoring.surface.bilinear import Surface, all_boxes, as_heat_map, min_max, surface

__all__ = ["Surface", "all_boxes", "as_heat_map", "min_max", "surface"]
