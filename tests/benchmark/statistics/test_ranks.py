"""Ranks over findings: worked examples, SciPy, and the published table of critical values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scikit_posthocs import posthoc_nemenyi_friedman
from scipy import stats

from benchmark.statistics.bootstrap import bootstrap_draws, over_findings
from benchmark.statistics.patients import by_patient
from benchmark.statistics.ranks import average_ranks, critical_difference, diagram, friedman, normal_range, probability_of_first, ranks
from core.errors import BadValueError

VALUES = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).integers(0, 6, (5, 8)) / 6)


@pytest.mark.byhand
def test_the_best_in_every_finding_has_rank_one_and_equals_share():
    values = np.array([[0.9, 0.8, 0.5], [0.1, 0.8, 0.4], [0.5, 0.1, 0.4]])
    assert ranks(values).T.tolist() == [[1, 3, 2], [1.5, 1.5, 3], [1, 2.5, 2.5]]
    assert average_ranks(values) == pytest.approx([3.5 / 3, 7 / 3, 7.5 / 3])


@pytest.mark.byhand
def test_a_finding_that_one_method_lacks_ranks_none():
    values = np.array([[0.9, 0.1, 0.5], [0.1, np.nan, 0.4]])
    assert average_ranks(values).tolist() == [1, 2]
    with pytest.raises(BadValueError, match=r" 2 methods.* 1 findings"):
        average_ranks(values[:, :2])


@pytest.mark.oracle
@settings(max_examples=30, deadline=None)
@given(VALUES)
def test_friedman_is_scipys_ties_and_all(values):
    if len(np.unique(values)) > 1 and (np.ptp(values, axis=0) > 0).any():
        expected = stats.friedmanchisquare(*values)
        assert friedman(values) == pytest.approx((expected.statistic, expected.pvalue))


@pytest.mark.byhand
def test_methods_that_always_tie_are_alike():
    assert friedman(np.ones((3, 4))) == (0, 1)
    assert diagram(np.ones((3, 4)), ("a", "b", "c")).groups == (("a", "b", "c"),)


@settings(max_examples=30, deadline=None)
@given(VALUES, st.permutations(range(5)), st.permutations(range(8)))
def test_the_order_of_methods_and_findings_and_the_scale_change_no_rank(values, methods, findings):
    before = average_ranks(values)
    assert average_ranks(values[np.ix_(methods, findings)]) == pytest.approx(before[methods])
    assert average_ranks(3 * values**3 + 1) == pytest.approx(before)
    assert before.mean() == pytest.approx(3)


@pytest.mark.oracle
def test_critical_values_are_the_published_ones():
    """Demšar 2006, table 5(a), α = .05, for 2 to 10 methods."""
    published = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]
    found = [critical_difference(k, 1) / np.sqrt(k * (k + 1) / 6) for k in range(2, 11)]
    assert found == pytest.approx(published, abs=1e-3)


@pytest.mark.oracle
@pytest.mark.parametrize("methods", [2, 7, 40])
def test_the_range_of_normal_numbers_is_scipys(methods):
    assert normal_range(0.95, methods) == pytest.approx(stats.studentized_range.ppf(0.95, methods, np.inf), abs=1e-6)


@pytest.mark.oracle
@settings(max_examples=30, deadline=None)
@given(VALUES)
def test_ranks_are_scipys(values):
    assert np.array_equal(ranks(values), stats.rankdata(-values, axis=0))


@pytest.mark.oracle
def test_a_pair_further_apart_than_the_critical_difference_has_a_small_p():
    values = np.random.default_rng(0).random((6, 10)) + np.linspace(0, 1.5, 6)[:, None]
    rank, p = average_ranks(values), posthoc_nemenyi_friedman(values.T).to_numpy()
    apart = np.abs(rank[:, None] - rank[None]) > critical_difference(6, 10)
    assert apart.any()
    assert np.array_equal(apart, p < 0.05)


@pytest.mark.byhand
def test_a_diagram_has_its_methods_best_first_and_a_bar_over_those_alike():
    order = np.array([4, 3, 2, 1.0])
    found = diagram(np.tile(order[:, None], (1, 8)), ("a", "b", "c", "d"))  # ranks 1 to 4, critical difference 1.66
    assert found.critical == pytest.approx(2.569 * np.sqrt(20 / 48), abs=1e-3)
    assert (found.methods, found.ranks.tolist()) == (("a", "b", "c", "d"), [1, 2, 3, 4])
    assert found.groups == (("a", "b"), ("b", "c"), ("c", "d"))
    assert found.friedman == pytest.approx(stats.chi2.sf(24, 3))
    assert found.findings == 8
    assert found.worse(0) == ["c", "d"]


@pytest.mark.byhand
def test_a_bar_inside_another_is_left_out():
    values = np.array([[3, 3, 3, 3], [2, 2, 2, 2], [1, 1, 1, 1.0]])
    assert diagram(values, ("a", "b", "c")).groups == (("a", "b"), ("b", "c"))
    assert diagram(values[:, :2], ("a", "b", "c")).groups == (("a", "b", "c"),)


@pytest.mark.byhand
def test_being_first_is_counted_over_resamples_and_shared_among_equals():
    samples = np.array([[0.5, 0.4, np.nan], [0.5, 0.5, 0.1], [0.1, 0.4, 0.2], [np.nan] * 3])
    assert probability_of_first(samples) == pytest.approx([0.5, 0.5, 0])
    assert probability_of_first(np.array([[[1, 0], [0, 1]]])).tolist() == [[1, 0], [0, 1]]  # per finding


@pytest.mark.planted
def test_the_better_method_is_first_in_most_resamples_and_a_copy_shares_the_place():
    rng = np.random.default_rng(0)
    hits = rng.random((120, 2)) < (0.6, 0.3)
    part = np.concatenate([hits, hits[:, :1]], 1)
    sums = by_patient(part, np.ones_like(part), ["a", "b"] * 60, np.arange(120) // 2, ["a", "b"])
    chance = probability_of_first(over_findings(bootstrap_draws(sums)).samples)
    assert chance == pytest.approx([0.5, 0, 0.5], abs=0.01)
    assert chance.sum() == pytest.approx(1)
