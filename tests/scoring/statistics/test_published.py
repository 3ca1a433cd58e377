"""Published shares against rows per case: intervals by hand, in simulations, and at their widest."""

import numpy as np
import pytest
from scipy.optimize import minimize

from locus.scoring.statistics.resample import Resampled, bootstrap_draws, by_patient, independent_difference, least_certain

NAMES = ("heart", "nodule")


def resampled(hits, findings, patients):
    values = np.asarray(hits, dtype=float)[:, None]
    return bootstrap_draws(by_patient(values, np.ones_like(values), findings, patients, NAMES))[:, 0]


def constant(*shares):
    """Shares that do not vary over resamples."""
    values = np.array(shares)
    return Resampled(values, np.tile(values, (20, 1)), np.tile(values, (20, 1)), np.ones((20, len(values)), bool))


def test_the_interval_equals_the_one_by_hand():
    gap = independent_difference([0.9, 0.2], [100, 50], constant(0.5, 0.1))
    half = 1.959964 * np.sqrt(0.9 * 0.1 / 100 + 0.2 * 0.8 / 50) / 2  # two findings
    assert gap[:3] == pytest.approx((0.25, 0.25 - half, 0.25 + half), abs=1e-6)
    assert gap.mark == "above"
    assert independent_difference([0.2, 0.1], [100, 50], constant(0.5, 0.1)).mark == "below"
    assert independent_difference([0.5, 0.1], [100, 50], constant(0.5, 0.1)).mark == "level"


def test_an_unknown_number_of_cases_gives_a_difference_without_an_interval_or_mark():
    gap = independent_difference(0.5, [0, 50], constant(0.5, 0.1))
    assert gap.value == pytest.approx(0.2)
    assert (gap.low, gap.high) == (None, None)
    assert gap.mark == ""


@pytest.mark.parametrize("mean", [0.0, 0.03, 0.3, 0.62, 0.97, 1.0])
def test_shares_for_a_mean_alone_have_the_largest_variance_of_all_with_that_mean(mean):
    counts = np.array([180.0, 146, 153, 123, 85, 79, 120, 98])
    shares = least_certain(mean, counts)
    assert shares.mean() == pytest.approx(mean, abs=1e-9)
    assert ((shares >= 0) & (shares <= 1)).all()
    bounds, same_mean = [(0, 1)] * 8, {"type": "eq", "fun": lambda p: p.mean() - mean}
    best = minimize(lambda p: -(p * (1 - p) / counts).sum(), np.full(8, mean), bounds=bounds, constraints=same_mean, tol=1e-12)
    assert (shares * (1 - shares) / counts).sum() == pytest.approx(-best.fun, abs=1e-6)


def test_intervals_cover_the_true_difference_in_95_of_100_simulations():
    random, covered, truth = np.random.default_rng(0), 0, np.array([0.7, 0.2])
    findings = np.repeat(NAMES, 80)
    patients = np.array([f"{n // 2}" for n in range(80)] * 2)  # two images each
    for _ in range(200):
        hits = random.random(160) < np.repeat([0.5, 0.1], 80)
        published = random.binomial([90, 60], truth) / [90, 60]
        gap = independent_difference(published, [90, 60], resampled(hits, findings, patients))
        covered += gap.low <= truth.mean() - 0.3 <= gap.high
    assert 183 <= covered <= 198
