"""Two of anything on the same cases: ``python -m benchmark.compare A B``, and each suite's ``paired`` records.

Per-case rows are all that is read: no model, no map, no data set. What A and B may be: ``benchmark.compare.selector``.
"""
