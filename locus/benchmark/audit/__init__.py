"""Published results beside boxes, points and regions that see no image: read, compared and printed.

``read`` turns a user's file into a record. ``results`` compares shares of hits on NIH's boxes with ``fixed_box``, and
``literature`` shows them. ``grounding`` compares and shows those on the truths of the suite ``grounding``. ``compare``
is the engine of ``benchmark.audit``. A page gets the classes as ``locus.benchmark.report.section.Reports``.
"""
