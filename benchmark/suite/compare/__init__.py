"""Compare two suites, models or methods on the same cases: ``python -m benchmark.compare A B``.

Only per-case rows are read: no model, map or data set. For A and B see ``benchmark.suite.compare.selector``.
"""
