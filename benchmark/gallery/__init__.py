"""The gallery of a suite: best, median and worst case of each finding, all methods side by side, in one HTML file.

Its boxes are computed in the page from the raw maps, by the geometry that scores: ``surface.js``, which stands with the
page's other parts in ``benchmark/report/html/templates``.
"""
