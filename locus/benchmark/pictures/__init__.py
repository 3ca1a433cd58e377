"""Pictures: heat maps, overlays, and the gallery of a suite.

``explained`` runs network and methods, ``case`` draws one case, ``heat_maps`` writes the pictures of ``heatmap.py``,
and ``gallery`` draws stored maps of a suite. Charts of scores are in ``locus.benchmark.report.charts``.
"""
