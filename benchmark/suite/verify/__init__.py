"""``python -m benchmark.verify``: recompute every figure of the records, from stored maps and rows per case."""
