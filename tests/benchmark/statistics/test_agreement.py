"""Whether two measures rank alike: the same ones do, unrelated ones need not, and SciPy says the same tau."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from benchmark.statistics.agreement import rank_agreements
from benchmark.statistics.patients import Sums

PATIENTS, ROWS = 30, 6


def sums(values):
    """(P,K·S) one case per patient and a single finding."""
    return Sums(values[:, None], np.ones_like(values)[:, None])


def noisy(means, spread, seed, trainings=1):
    random = np.random.default_rng(seed)
    return sums(np.repeat(means, trainings) + spread * random.normal(size=(PATIENTS, len(means) * trainings)))


@pytest.mark.oracle
def test_tau_is_scipys_of_the_mean_scores():
    one, other = noisy(np.zeros(ROWS), 1, 0), noisy(np.zeros(ROWS), 1, 1)
    (agreement,) = rank_agreements([one, other], [(0, 1)], 1)
    assert agreement.tau == pytest.approx(kendalltau(one.value[0], other.value[0]).statistic)


@pytest.mark.planted
def test_clear_orders_agree_or_are_reversed_and_unrelated_ones_hold_0():
    rising = np.arange(ROWS, dtype=float)
    measures = [noisy(rising, 0.1, 0), noisy(rising, 0.1, 1), noisy(-rising, 0.1, 2), noisy(np.zeros(ROWS), 1, 3)]
    alike, reversed_, unrelated = rank_agreements(measures, [(0, 1), (0, 2), (0, 3)], 1)
    assert (alike.tau, alike.low, alike.high) == (1, 1, 1)
    assert (reversed_.tau, reversed_.high) == (-1, -1)
    assert unrelated.low < 0 < unrelated.high


@pytest.mark.planted
def test_trainings_that_differ_widen_the_interval():
    means, shifts = np.arange(ROWS) / 10, np.array([0.5, 0, -0.5])
    each = (means[:, None] + np.random.default_rng(0).permutation(ROWS)[:, None] * shifts).ravel()
    many, steady = noisy(each, 0.01, 0), noisy(means, 0.01, 1, trainings=3)
    drawn, held = rank_agreements([many, steady], [(0, 1), (1, 1)], 3)
    assert held.low == held.high == 1
    assert drawn.low < drawn.tau == 1


def test_fewer_than_ten_patients_have_no_interval():
    few = Sums(np.random.default_rng(0).random((9, 1, ROWS)), np.ones((9, 1, ROWS)))
    (agreement,) = rank_agreements([few, few], [(0, 1)], 1)
    assert agreement.tau == 1
    assert np.isnan([agreement.low, agreement.high]).all()
