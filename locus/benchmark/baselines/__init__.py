"""Rows of the tables that know truth boxes and see no image: ``prior``, ``fixed_box``, fixed regions, ``truth``.

``boxes`` has those of every suite, ``fixed_region`` those of data sets with a published training part. ``fold_draws``
repeats ``prior`` and ``fixed_box`` with other patient folds, and ``floor_resamples`` with thresholds chosen again.
The rows that need a network or people are in ``locus.benchmark.evaluation``: ``supervised`` and ``readers``.
``center`` and ``noise`` are files in ``locus.methods``.

To add a row of maps that see no image: write a class with ``name`` and ``maps``, as ``Truth`` in ``boxes``; add it to
``boxes.BASELINES``; and declare the row in ``locus.core.names.ROWS``: its name, its file, and why it has no rank.
"""
