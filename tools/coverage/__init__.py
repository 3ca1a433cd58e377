"""How often intervals over training runs hold the truth of simulated worlds: ``python -m tools.coverage``."""
