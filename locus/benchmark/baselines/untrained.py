"""The baseline ``untrained``: Grad-CAM of the same network with random weights."""

from locus.core.baseline import Baseline


class UntrainedBaseline(Baseline):
    """The maps of a network without training. Grad-CAM supports every network and pooling."""

    name = "untrained"
    why_unranked = "baseline: the same network with random weights"
    order = 50
    in_every_suite = True
    needs_network = True
    joins_prior = True
    method = "gradcam"
