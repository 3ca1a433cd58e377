"""Compare two of anything on the same cases: ``python -m benchmark.compare A B``, and ``paired`` records of suites.

Only per-case rows are read: no model, no map, no data set. For A and B see ``benchmark.suite.compare.selector``.
"""
