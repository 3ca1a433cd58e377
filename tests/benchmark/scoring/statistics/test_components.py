"""Variance components: worked examples, a design with known variances, the balanced part of a suite."""

import numpy as np
import pytest

from benchmark.scoring.statistics.components import FACTORS, components, largest_balanced_part, patient_values, sums_of_squares
from core.errors import BadValueError

SD = {
    ("backbone",): 0.05,
    ("method",): 0.1,
    ("backbone", "method"): 0.06,
    ("backbone", "pooling", "seed"): 0.08,
    ("patient",): 0.3,
    ("method", "patient"): 0.2,
    FACTORS: 0.4,
}


def drawn(random, shape, sds=SD):
    """Return values (B,G,M,S,P) with normal effects of the given standard deviations by term."""
    values = np.zeros(shape)
    for term, sd in sds.items():
        values += random.normal(0, sd, [size if name in term else 1 for name, size in zip(FACTORS, shape, strict=True)])
    return values


@pytest.mark.byhand
def test_mean_squares_of_a_two_way_table_equal_the_textbook():
    """Rows .2 and .6, columns equal: MS of rows = 3 · 2 · .2² / 1, of their interaction the rest's."""
    table = np.array([[0.1, 0.2, 0.3], [0.7, 0.6, 0.5]])
    parts = components(table, ("method", "patient"))
    shown = sums_of_squares(table, ("method", "patient"))
    assert {term: (round(one.total, 12), one.df) for term, one in shown.items()} == {
        ("method",): (0.24, 1),
        ("patient",): (0.0, 2),
        ("method", "patient"): (0.04, 2),
    }
    assert parts == pytest.approx({("method",): (0.24 - 0.02) / 3, ("patient",): 0.0, ("method", "patient"): 0.02})


@pytest.mark.planted
def test_planted_variances_are_recovered():
    random = np.random.default_rng(0)
    parts = [components(drawn(random, (3, 3, 4, 3, 150))) for _ in range(60)]
    for term in parts[0]:
        mean = np.mean([part[term] for part in parts])
        assert mean == pytest.approx(SD.get(term, 0) ** 2, rel=0.15, abs=0.002), term


@pytest.mark.byhand
def test_seed_is_nested_in_its_network_and_a_factor_of_one_level_is_in_no_term():
    values = np.random.default_rng(0).random((1, 2, 3, 2, 5))
    terms = set(components(values))
    assert {("pooling", "seed"), ("pooling", "method", "seed"), ("pooling", "method", "seed", "patient")} <= terms
    assert not any("backbone" in term or ("seed" in term and "pooling" not in term) for term in terms)


@pytest.mark.byhand
def test_mean_of_patient_values_is_the_score():
    hits = np.array([1.0, 0, 0, 1, 1])
    assert patient_values(0.6, (3 - hits) / 4).tolist() == pytest.approx(hits.tolist())


@pytest.mark.byhand
@pytest.mark.parametrize("shape", [(1, 2, 2, 1, 9), (1, 2, 2, 2, 1)])
def test_one_training_run_or_patient_is_refused(shape):
    with pytest.raises(BadValueError, match=r"one (seed|patient)"):
        components(np.zeros(shape))


def suite(*trainings):
    """Return values of two methods by (backbone, pooling, number of seeds)."""
    return {(b, g, m, s): np.zeros(4) for b, g, count in trainings for m in ("cam", "gradcam") for s in range(count)}


@pytest.mark.byhand
def test_balanced_part_prefers_both_factors_to_more_training_runs():
    scores = suite(("small", "AVG", 5), ("small", "LSE", 5), ("small", "PCAM", 5), ("resnet", "AVG", 3), ("resnet", "PCAM", 3))
    part = largest_balanced_part(scores | {("small", "AVG", "slow", 0): np.zeros(4)})
    assert part.values.shape == (2, 2, 2, 3, 4)
    assert part.levels == {"backbone": ("resnet", "small"), "pooling": ("AVG", "PCAM"), "method": ("cam", "gradcam")}
    assert part.left_out == 5 + 2 * 2


@pytest.mark.byhand
def test_suite_with_one_training_run_has_no_balanced_part():
    assert largest_balanced_part(suite(("small", "AVG", 1), ("resnet", "AVG", 1))) is None
