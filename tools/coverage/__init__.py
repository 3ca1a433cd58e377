"""How often intervals over trainings and patients hold the truth of simulated worlds: ``python -m tools.coverage``."""
