"""The vectorised statistics of simulated worlds equal those of Locus."""

import numpy as np
import pytest

from locus.benchmark.scoring.statistics import mrmc
from locus.benchmark.scoring.statistics.resample import holm
from tools.coverage import measure
from tools.coverage.worlds import METHODS, Simulation, worlds

SETTING = Simulation((3, 5, 2), 40, (0.1, 0.02, 0.05))


@pytest.fixture(scope="module")
def networks():
    return worlds(SETTING, 30)


def row(network, world, method):
    return network.theta[world, method], network.jackknife[world, method]


def by_the_product(networks, world):
    """Return the estimate of each statistic by ``locus.benchmark.scoring.statistics.mrmc``."""
    first, second, _ = networks
    gaps = [tuple(a - b for a, b in zip(row(n, world, 0), row(n, world, 1), strict=True)) for n in networks]
    return {
        "row": mrmc.interval(*row(first, world, 0)),
        "paired": mrmc.difference(row(first, world, 0), row(first, world, 1)),
        "nested": mrmc.difference_nested(row(first, world, 0), row(second, world, 0)),
        "effect": mrmc.method_effect(gaps),
    }


@pytest.mark.oracle
def test_the_chosen_rule_is_that_of_locus(networks):
    parts = measure._parts(networks, 0)
    for name in measure.STATISTICS:
        value, reach, p = measure.by_rule(parts[name], measure.CHOSEN)
        for world in range(30):
            wanted = by_the_product(networks, world)[name]
            lowest = 0 if name == "row" else -1
            ends = np.clip([value[world] - reach[world], value[world] + reach[world]], lowest, 1)
            assert [*ends] == pytest.approx([wanted.low, wanted.high])
            assert name == "row" or p[world] == pytest.approx(wanted.p)


@pytest.mark.oracle
def test_a_method_is_called_worse_by_holm_over_its_comparisons(networks):
    first, methods = networks[0], [-1, *range(1, METHODS[0])]
    found = measure.called_worse(measure._pairs(first, methods), measure.CHOSEN)
    for world in range(30):
        for i, method in enumerate(methods):
            estimates = [mrmc.difference(row(first, world, method), row(first, world, other)) for other in methods if other != method]
            adjusted = holm(np.array([e.p for e in estimates]))
            assert found[world, i] == any(p <= 0.05 and e.value < 0 for p, e in zip(adjusted, estimates, strict=True))
    assert found.any()


@pytest.mark.byhand
def test_a_cap_does_not_narrow_intervals(networks):
    parts = measure._parts(networks, 0)["paired"]
    reach = {rule: measure.by_rule(parts, rule)[1] for rule in measure.RULES}
    assert (reach["floor and cap"] >= reach["floor"] - 1e-12).all()
    assert (reach["cap"] >= reach["nothing"] - 1e-12).all()
