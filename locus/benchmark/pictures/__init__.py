"""Pictures: cases with their heat maps, and the gallery of a suite.

``panels`` draws cases, and ``gallery`` draws the stored maps of a suite. ``locus.benchmark.heatmaps`` writes the files
of ``heatmap.py``. Charts of scores are in ``locus.benchmark.report.charts``.
"""
