"""Published results beside boxes, points and regions that see no image: read, compared and printed.

``read`` turns a user's file into a record. ``literature`` compares results on NIH's boxes with ``fixed_box``, and
``grounding`` those on the truths of the suite ``grounding`` with their baselines. ``compare`` is the engine of
``benchmark.audit``. A page gets their classes as ``locus.benchmark.report.section.Reports``.
"""
