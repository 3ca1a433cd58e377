"""Coverage and power of intervals over training runs, in simulated worlds: ``python -m tools.coverage``."""
