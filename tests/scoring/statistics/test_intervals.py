"""Intervals: worked examples, comparison with SciPy, invariances, and coverage."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from locus.scoring.statistics.resample import (
    CaseIndex,
    Resampled,
    Sums,
    bias,
    bootstrap_draws,
    by_patient,
    exact,
    interval,
    intervals,
    over_findings,
)
from locus.scoring.statistics.summary import Column, estimate, scores


def means(values):
    """Return sums of values (P,M) with one case per patient."""
    values = np.asarray(values, dtype=np.float64)
    return by_patient(values, np.ones_like(values), ["a"] * len(values), range(len(values)), ["a"])


def figures(sums):
    """Return value, low and high (F,M,3) of sums (P,F,M)."""
    result = bootstrap_draws(sums)
    return np.concatenate([result.value[..., None], interval(result)], -1)


def drawn(samples, patients=10):
    """Return a value of 0 with given resamples and jackknife."""
    return Resampled(np.zeros(()), np.asarray(samples, np.float32), np.zeros(patients), np.ones(patients, bool))


@pytest.mark.byhand
def test_fewer_than_ten_patients_have_no_interval():
    assert np.isnan(interval(drawn([0.0, 1.0], patients=9))).all()
    assert np.isnan(interval(drawn([np.nan, np.nan]))).all()
    many_cases = by_patient(np.ones((90, 1)), np.ones((90, 1)), ["a"] * 90, np.arange(90) % 9, ["a"])
    assert np.isnan(figures(many_cases)[0, 0, 1:]).all()


@pytest.mark.byhand
def test_number_outside_its_own_resamples_has_no_interval():
    assert np.isnan(interval(drawn(np.linspace(-0.02, 1, 1001)))).all()
    low, high = interval(drawn(np.linspace(-0.03, 1, 1001)))
    assert low <= 0 <= high


@pytest.mark.byhand
def test_differences_from_float32_rounding_are_0():
    values = np.random.default_rng(0).random((40, 1)) + 1000
    result = bootstrap_draws(means(np.concatenate([values, values - 0.1], 1)))
    gap = interval(result[:, 0] - result[:, 1]).ravel()
    assert gap.tolist() == [np.float32(result.value[0, 0] - result.value[0, 1])] * 2


@pytest.mark.byhand
def test_bias_counts_ties_by_half():
    ordered = np.array([[-1, 0, 0, 1], [-1, -1, -1, 1], [0, 0, 0, 0], [1, 1, 1, 1]], np.float32)
    expected = [stats.norm.ppf(share) for share in (0.5, 0.75, 0.5, 0.125)]  # the last would be 0: half a sample of four
    assert bias(ordered, np.zeros(4)) == pytest.approx(expected)


def skewed():
    """Return exponential and beta values and 16 hits of 64 (64,3), whose shares are exact in float32."""
    rng = np.random.default_rng(2)
    return np.stack([rng.exponential(size=64), rng.beta(0.5, 2, 64), np.arange(64) < 16], 1).astype(np.float32)


@pytest.mark.oracle
def test_interval_of_the_same_resamples_equals_scipy():
    result = bootstrap_draws(means(skewed()))
    known = SimpleNamespace(bootstrap_distribution=result.samples[:, 0].T.astype(np.float64))
    expected = stats.bootstrap((skewed().astype(np.float64),), np.mean, n_resamples=0, method="BCa", bootstrap_result=known)
    assert np.allclose(interval(result)[0], np.stack(expected.confidence_interval, -1), rtol=1e-5)


@pytest.mark.oracle
def test_interval_of_a_ratio_of_sums_equals_scipy():
    rng = np.random.default_rng(3)
    images = rng.integers(1, 6, 50)
    hits = rng.binomial(images, rng.beta(1, 2, 50))
    ours = figures(Sums(hits[:, None, None] * 1.0, images[:, None, None] * 1.0))[0, 0, 1:]
    options = {"n_resamples": 20_000, "paired": True, "vectorized": True, "rng": rng, "batch": 2000}
    theirs = stats.bootstrap((hits, images), lambda h, n, axis: h.sum(axis) / n.sum(axis), **options)
    low, high = theirs.confidence_interval
    assert ours == pytest.approx([low, high], abs=0.15 * (high - low) / 4)


CASES = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).random((15, 1)))
few = settings(max_examples=20, deadline=None)


@pytest.mark.planted
def test_95_percent_interval_covers_the_true_share_in_93_to_97_percent_of_runs():
    """True shares of .2 to .8, and 1 to 5 images per patient that resemble each other (correlation 1/4)."""
    rng = np.random.default_rng(0)
    true = rng.choice([0.2, 0.35, 0.5, 0.65, 0.8], 2000)
    own = rng.beta(3 * true, 3 * (1 - true), (200, 2000))
    images = rng.integers(1, 6, (200, 2000))
    _, low, high = figures(Sums(rng.binomial(images, own)[:, None] * 1.0, images[:, None] * 1.0))[0].T
    assert 0.93 <= ((low <= true) & (true <= high)).mean() <= 0.97


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_intervals_computed_together_equal_single_ones_bit_for_bit(seed, findings):
    random = np.random.default_rng(seed)
    values, known = random.random((30, 4)), random.random((30, 4)) < 0.8
    names = [f"f{n}" for n in range(findings)]
    whole = bootstrap_draws(by_patient(values * known, known, random.choice(names, 30), np.arange(30) // 2, names))
    each = [one for n in range(4) for one in (whole[:, n], over_findings(whole[:, [n]])[0])]
    for ends, one in zip(intervals(each), each, strict=True):
        assert np.array_equal(ends, interval(one), equal_nan=True)


@pytest.mark.oracle
@pytest.mark.parametrize("patients", [10, 11, 60, 501])
def test_bound_equals_clopper_and_pearson(patients):
    for hits in (0, patients):
        known = stats.binomtest(hits, patients).proportion_ci(method="exact")
        assert exact(np.array([hits / patients]), np.array([patients]))[0] == pytest.approx([known.low, known.high], abs=1e-9)


@pytest.mark.byhand
def test_overlaps_that_are_1_but_for_rounding_have_the_bound_of_1():
    bounds = exact(np.array([1.0, 1 - 1e-7, 0.99]), np.array([20, 20, 20]))
    assert bounds[0].tolist() == bounds[1].tolist() == pytest.approx([0.025 ** (1 / 20), 1], rel=1e-14)
    assert np.isnan(bounds[2]).all()


def of(hits, metric="hit@iou.3", is_share=True):
    who = CaseIndex.of(["mass"] * len(hits), [f"p{n % 11}" for n in range(len(hits))])
    column = Column(metric, "fixed", np.array(hits, float), np.ones(len(hits)), is_share=is_share)
    return scores(estimate([column], who, ["mass"], 0), ["mass"])


def test_bound_of_0_hits_is_above_0_and_counts_patients_not_cases():
    for score in of([0] * 22):
        assert (score.low, score.high) == (0.0, 0.284914)


def test_metric_that_is_not_a_share_has_no_interval_if_nothing_varies():
    assert {(s.value, s.low, s.high) for s in of([1] * 11, "boxes_per_case", is_share=False)} == {(1.0, None, None)}
