"""Power from variance components, against complete simulated analyses."""

import numpy as np
import pytest

from benchmark.scoring.statistics import mrmc
from benchmark.scoring.statistics.components import components, patient_values
from benchmark.scoring.statistics.power import DifferenceVariance, patients_needed, power, variance_of
from core.errors import BadValueError
from tests.benchmark.scoring.statistics.test_components import SD, drawn
from tools.coverage.worlds import Simulation, worlds

ANALYSIS = {"paired": mrmc.difference, "nested": mrmc.difference_nested}
S, P = 3, 100


def rejected(pairing, difference, count=400):
    """Return the share of simulated case tables whose analysis excludes 0."""
    random, p = np.random.default_rng(1), []
    for _ in range(count):
        values = drawn(random, (2, 1, 2, S, P), {term: sd for term, sd in SD.items() if {"seed", "patient"} & set(term)})
        first, second = (values[0, 0, 0], values[0, 0, 1] if pairing == "paired" else values[1, 0, 0])
        sides = [(rows.mean(1), (rows.sum(1, keepdims=True) - rows) / (P - 1)) for rows in (first + difference, second)]
        p.append(ANALYSIS[pairing](*sides).p)
    return np.mean(np.array(p) < 0.05)


@pytest.mark.planted
@pytest.mark.parametrize(("pairing", "difference"), [("paired", 0.0), ("paired", 0.2), ("nested", 0.0), ("nested", 0.25)])
def test_power_equals_that_of_simulated_case_tables(pairing, difference):
    known = {term: sd**2 for term, sd in SD.items()}
    promised = power(difference, variance_of(known, pairing), S, P)
    assert promised == pytest.approx(rejected(pairing, difference), abs=0.06)


@pytest.mark.planted
def test_power_follows_from_the_variance_components_of_a_large_simulation():
    one, *_ = worlds(Simulation((150,), 400, (0.03,)), 1)
    table = patient_values(one.theta[0], one.jackknife[0])[[-1, 1]]  # two methods on the same training runs
    parts = components(table[None, None])
    many, *_ = worlds(Simulation((5,), 300, (0.03,)), 300, seed=1)
    rows = [[(many.theta[w, method], many.jackknife[w, method]) for method in (-1, 1)] for w in range(300)]
    ends = [mrmc.difference(*pair) for pair in rows]
    difference = np.mean([e.value for e in ends])
    assert power(difference, variance_of(parts, "paired"), 5, 300) == pytest.approx(np.mean([e.p < 0.05 for e in ends]), abs=0.1)


@pytest.mark.byhand
def test_more_patients_do_not_help_if_training_runs_differ_too_much():
    variance = DifferenceVariance(trainings=0.05**2, patients=0.1, rest=0.1, sides=2)
    assert patients_needed(0.02, variance, 2) is None
    assert patients_needed(0.2, variance, 10) is not None


@pytest.mark.byhand
def test_equal_training_runs_give_the_normal_power_of_patients():
    """A mean difference of 2.8 = 1.96 + .84 standard errors is significant in 80% of the samples."""
    patients_alone = DifferenceVariance(trainings=0.0, patients=1.0, rest=0.0, sides=1)
    assert power(0.28, patients_alone, 3, 100) == pytest.approx(0.8, abs=0.01)


@pytest.mark.byhand
def test_missing_components_are_an_error():
    values = np.random.default_rng(0).random((1, 1, 1, 2, 9))
    for pairing in ANALYSIS:
        with pytest.raises(BadValueError, match=pairing):
            variance_of(components(values), pairing)
