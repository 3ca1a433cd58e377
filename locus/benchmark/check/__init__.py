"""Check a method, a network or a data set before use: ``python -m benchmark.check``."""
