"""Variance decomposition of a table of methods × conventions."""

import numpy as np
import pytest

from benchmark.scoring.statistics.components import variance_decomposition

pytestmark = pytest.mark.byhand


def test_shares_add_up_to_1():
    result = variance_decomposition(np.random.default_rng(0).random((5, 8)))
    assert result.methods + result.conventions + result.interaction == pytest.approx(1)


def test_additive_table_has_no_interaction():
    result = variance_decomposition(np.array([[0.1], [0.5], [0.6]]) + np.array([[0.0, 0.1, 0.3]]))
    assert result.interaction == pytest.approx(0)
    assert (result.rank_reversals, result.pairs) == (0, 3)
    assert (result.over_methods, result.over_conventions) == pytest.approx((0.5, 0.3))


def test_swapped_methods_are_counted():
    result = variance_decomposition([[0.6, 0.2], [0.4, 0.3], [0.1, 0.1]])
    assert (result.rank_reversals, result.pairs) == (1, 3)


def test_table_of_equal_scores_has_no_shares():
    result = variance_decomposition(np.full((3, 4), 0.5))
    assert (result.methods, result.conventions, result.interaction, result.pairs) == (0, 0, 0, 0)
