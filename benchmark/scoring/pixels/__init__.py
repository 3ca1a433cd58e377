"""Heat maps on pixels: contours, boxes and masks at many thresholds, for the protocols that are defined on pixels.

``painted`` brings map and truth to 224×224 pixels, and counts masks on the frame's at many thresholds in one pass.
``contours`` says what MaxBoxAcc's source would read off the contours at each score threshold: it has every contour
followed once (``outlines``, compiled). Nothing here knows of cases or protocols.
"""
