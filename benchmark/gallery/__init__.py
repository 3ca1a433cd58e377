"""The gallery of a suite: best, median and worst case of each finding, all methods side by side, in one HTML file.

The page computes its boxes from the raw maps with the geometry of the scores: ``surface.js``, which is with the page's
other parts in ``benchmark/report/html/templates``.
"""
