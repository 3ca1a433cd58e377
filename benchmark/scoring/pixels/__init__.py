"""Contours, boxes and masks of heat maps at many thresholds, for the protocols that are defined on pixels.

``painted`` resamples map and truth to 224×224 pixels, and compares masks on the frame's pixels at many thresholds in
one pass. ``contours`` reproduces the source of MaxBoxAcc at each score threshold; ``outlines`` (compiled) follows each
contour once.
"""
