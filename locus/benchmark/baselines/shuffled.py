"""The baseline ``shuffled`` of the protocol ``added``: Grad-CAM maps, exchanged between patients."""

from locus.core.baseline import Baseline


class Shuffled(Baseline):
    """The map of another patient's image with the same finding."""

    name = "shuffled"
    why_unranked = "baseline: the map of another patient's image with the finding"
    order = 60
    needs_network = True
    has_stored_map = False
    joins_prior = True
    method = "gradcam"
