"""``python -m benchmark.verify``: recompute all values of the records from stored maps and per-case rows."""
