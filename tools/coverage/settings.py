"""Simulated settings: training runs, patients, standard deviation over runs, thresholds."""

import itertools

from tools.coverage.worlds import Simulation

RUNS = ((2, 2, 2), (3, 3, 3), (5, 5, 5), (2, 5, 3))
SEED_SD = ((0.01,) * 3, (0.05,) * 3, (0.1,) * 3, (0.1, 0.02, 0.05))
PATIENTS = (30, 60, 500)
CROSS_FITTED = ((60, SEED_SD[1]), (500, SEED_SD[1]), (500, SEED_SD[3]))
"""Patients and standard deviations of the settings with eight findings and cross-fitted thresholds."""
NAME = ("runs", "patients", "seed_sd", "findings", "thresholds")
"""Columns that name a setting."""


def settings() -> list[Simulation]:
    """Return all settings of the page."""
    fixed = [Simulation(runs, count, sd) for runs, count, sd in itertools.product(RUNS, PATIENTS, SEED_SD)]
    cross_fitted = itertools.product(RUNS, CROSS_FITTED)
    return fixed + [Simulation(runs, count, sd, 8, "cross-fitted") for runs, (count, sd) in cross_fitted]
