"""Compare two suites, models or methods on the same cases: ``python -m benchmark.compare A B``.

Only records and per-case rows are read: no model, map or data set. For A and B see
``benchmark.suite.compare.selector``; two results folders are compared cell by cell.
"""
