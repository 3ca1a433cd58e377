"""``python -m benchmark.verify``: every figure of the records anew, from stored maps and rows per case."""
