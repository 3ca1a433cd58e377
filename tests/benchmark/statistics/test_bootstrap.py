"""The bootstrap over patients: weights, intervals, and whether they hold the truth."""

import numpy as np
import pytest

from benchmark.statistics.bootstrap import interval, resample, weights
from benchmark.statistics.summary import Column, difference, estimate, scores


@pytest.mark.byhand
def test_each_resample_draws_as_many_patients_as_there_are():
    drawn = weights(7, 0)
    assert drawn.shape == (10_000, 7)
    assert (drawn.sum(1) == 7).all()
    assert drawn.mean() == 1
    assert (drawn == weights.__wrapped__(7, 0)).all()
    assert (drawn != weights(7, 1)).any()


@pytest.mark.byhand
def test_a_patients_images_stay_together():
    part = np.array([[1.0], [1.0], [0.0], [0.0]])
    samples = resample(part, np.ones((4, 1)), ["a"] * 4, ["p", "p", "q", "q"], ("a",))
    assert set(np.unique(samples)) == {0.0, 0.5, 1.0}  # never a quarter: two patients, not four images


@pytest.mark.byhand
def test_a_ratio_is_resampled_as_a_ratio_of_sums():
    samples = resample(np.array([[1.0], [0.0]]), np.array([[1.0], [3.0]]), ["a"] * 2, ["p", "q"], ("a", "b"))
    assert set(np.unique(samples[:, 0])) == {0.0, 0.25, 1.0}
    assert np.isnan(samples[:, 1]).all()


@pytest.mark.byhand
def test_fewer_than_ten_have_no_interval():
    samples = np.linspace(0, 1, 1001, dtype=np.float32)
    assert interval(samples, 9) is None
    assert interval(samples, 10) == pytest.approx((0.025, 0.975))
    assert interval(np.full(5, np.nan, np.float32), 10) is None


@pytest.mark.planted
def test_intervals_hold_the_true_share_about_as_often_as_they_say():
    rng, n, held = np.random.default_rng(0), 150, []
    for _ in range(300):
        hits = rng.random((n, 1)) < 0.4
        ends = interval(resample(hits, np.ones((n, 1)), ["a"] * n, np.arange(n), ("a",))[::5, 0, 0], n)
        held.append(ends[0] <= 0.4 <= ends[1])
    assert 0.91 <= np.mean(held) <= 0.98


@pytest.mark.byhand
def test_the_mean_weighs_findings_alike_and_skips_the_undefined():
    columns = [Column("hit", "fixed", np.array([1.0, 0, 0, 1]), np.ones(4))]
    found = scores(estimate(columns, ["a", "a", "a", "b"], list("pqrs"), ("a", "b", "c"), 0), ("a", "b", "c"))
    assert [(s.finding, s.n, s.value) for s in found] == [("a", 3, 0.333333), ("b", 1, 1), ("c", 0, None), ("mean", 4, 0.666667)]


@pytest.mark.byhand
def test_a_difference_is_paired():
    columns = [Column("x", "oracle", np.tile([1.0, 0, 1], 10), np.ones(30)), Column("y", "fixed", np.tile([1.0, 0, 1], 10), np.ones(30))]
    first, second = estimate(columns, ["a"] * 30, [f"p{i}" for i in range(30)], ("a",), 0)
    gap = scores([difference(first, second, "gap")], ("a",))[0]
    assert (gap.metric, gap.value, gap.low, gap.high, gap.threshold_origin) == ("gap", 0, 0, 0, "oracle")
