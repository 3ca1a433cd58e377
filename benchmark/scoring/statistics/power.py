"""Training runs and patients needed to distinguish two rows, simulated from variance components.

For normal scores the estimates of ``scoring.statistics.mrmc`` have known distributions: the mean difference is normal,
the variance between training runs and the patients' covariances are chi-squares. So a simulated analysis takes a few
draws for any number of patients. Mean scores are nearly normal unless patients are few or shares are near 0 or 1.
"""

import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal

import numpy as np
from scipy import special

from benchmark.scoring.statistics.components import Term
from benchmark.scoring.statistics.entries import ALPHA
from core.errors import BadValueError
from core.seeds import generator
from core.types import FloatArray

Pairing = Literal["paired", "nested"]
"""Two methods on the same training runs, or one method on two networks with separate training runs."""
POWER, DRAWS = 0.8, 20_000
NO_LIMIT = 1e9
"""Degrees of freedom used if training runs do not differ."""
PATIENTS = (50, 100, 150, 200, 300, 400, 600, 800, 1000, 1500, 2000, 3000, 5000, 10_000)
"""Numbers of patients that are tried."""


@dataclass(frozen=True)
class DifferenceVariance:
    """Variance components of the difference of two rows."""

    trainings: float
    """Variance of one training run of one side; paired: of the difference on one training run."""
    patients: float
    """Variance of the difference on one patient that all training runs share."""
    rest: float
    """Residual variance of one patient in one training run of one side; paired: of the difference."""
    sides: int
    """Number of sides with separate training runs: 1 if paired, 2 if nested."""


def variance_of(parts: Mapping[Term, float], pairing: Pairing) -> DifferenceVariance:
    """Return the variance of a difference of two rows from the components of a suite.

    Raises ``BadValueError`` if the suite has one method (for paired rows) or one network (for nested rows).
    """
    differ = {"method"} if pairing == "paired" else {"backbone", "pooling"}
    if not any(differ & set(term) for term in parts):
        what = "method on the same training runs" if pairing == "paired" else "network with two training runs"
        raise BadValueError(f"the suite has one {what}: comparing {pairing} rows requires two")
    of_training = [term for term in parts if "seed" in term and (pairing == "nested" or "method" in term)]
    of_patient = [term for term in parts if "patient" in term and "seed" not in term and differ & set(term)]
    both = 2 if pairing == "paired" else 1
    rest = both * sum(parts[term] for term in of_training if "patient" in term)
    trainings = both * sum(parts[term] for term in of_training if "patient" not in term)
    return DifferenceVariance(trainings, 2 * sum(parts[term] for term in of_patient), rest, 3 - both)


def power(difference: float, variance: DifferenceVariance, trainings: int, patients: int) -> float:
    """Return the probability that rows differing by ``difference`` are significantly different.

    ``trainings``: training runs of each side; ``patients`` are shared.
    """
    noise, bound = _analyses(variance, trainings, patients)
    return np.count_nonzero(np.abs(difference + noise) > bound) / DRAWS


@lru_cache(maxsize=64)
def _analyses(variance: DifferenceVariance, trainings: int, patients: int) -> tuple[FloatArray, FloatArray]:
    """Simulate errors (DRAWS,) of the difference, and the smallest difference that each analysis finds significant."""
    S, P, sides = trainings, patients, variance.sides
    of_seeds = variance.trainings + variance.rest / P
    of_spread = variance.patients + sides * variance.rest / S
    chi, normal = _drawn(sides, S, P)
    seeds = [of_seeds * squares / (S - 1) / S for squares in chi[:sides]]
    # the covariance between training runs: the spread of the patients' mean differences minus the runs' part
    spread, rest_df = of_spread * chi[sides] / (P - 1), (S - 1) * (P - 1)
    covariance = (spread - sum(variance.rest * squares / rest_df / S for squares in chi[sides + 1 :])) / P
    total = np.maximum(sum(seeds) + np.maximum(covariance, 0), spread / P)  # never below the patients' variance
    deviation = np.sqrt(sides * of_seeds / S + variance.patients / P)
    of_df = sum(term**2 for term in seeds) / (S - 1)
    df = np.divide(total**2, of_df, out=np.full(DRAWS, NO_LIMIT), where=of_df > 0)
    return deviation * normal, np.interp(1 / df, *_quantiles()) * np.sqrt(total)


@lru_cache(maxsize=64)
def _drawn(sides: int, trainings: int, patients: int) -> tuple[list[FloatArray], FloatArray]:
    """Draw chi-squares for seeds, patients and the rest, and normal numbers, (DRAWS,) each.

    The draws do not depend on the components, so that tables of several suites share them.
    """
    random, S, P = generator(0, "power"), trainings, patients
    degrees = [*[S - 1] * sides, P - 1, *[(S - 1) * (P - 1)] * sides]
    return [random.chisquare(df, DRAWS) for df in degrees], random.normal(size=DRAWS)


@cache
def _quantiles() -> tuple[FloatArray, FloatArray]:
    """Return 1/df from 0 to 1 and Student's quantiles; linear interpolation between them is accurate to 1e-6."""
    inverse = np.linspace(1 / NO_LIMIT, 1, 4097)
    return inverse, special.stdtrit(1 / inverse, 1 - ALPHA / 2)


def patients_needed(difference: float, variance: DifferenceVariance, trainings: int) -> int | None:
    """Return the first of ``PATIENTS`` with a power of at least .8; None if there is none."""
    index = bisect.bisect_left(PATIENTS, POWER, key=lambda count: power(difference, variance, trainings, count))
    return PATIENTS[index] if index < len(PATIENTS) else None
