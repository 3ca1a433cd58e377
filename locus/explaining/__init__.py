"""Explain a batch: all methods compute their maps from the evidence of one forward pass.

``batch`` is the entry point, ``evidence`` the results of the forward pass, ``_passes`` the batch sizes and the separate
passes for attention and FullGrad. The methods are in ``locus.methods``; maps are stored by
``locus.benchmark.maps`` and placed on images by ``locus.scoring.surface.bilinear``.
"""

VERSION = 1
"""Increment this if the maps of a model, image and method change; stored maps of earlier versions become invalid."""
