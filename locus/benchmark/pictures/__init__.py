"""Pictures: heat maps, overlays, and the gallery of a suite.

``explained`` explains images and writes the files of ``heatmap.py``, ``panels`` draws cases, and ``gallery`` draws the
stored maps of a suite. Charts of scores are in ``locus.benchmark.report.charts``.
"""
