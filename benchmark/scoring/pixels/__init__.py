"""Heat maps on pixels: contours, boxes and masks at many thresholds, for the protocols that are defined on pixels.

``painted`` resamples map and truth to 224×224 pixels, and counts masks on the frame's pixels at many thresholds in one
pass. ``contours`` reproduces MaxBoxAcc's source at each score threshold from contours that are followed once
(``outlines``, compiled). Cases and protocols are not used here.
"""
