"""Bootstrap over patients: draws, and values of resamples."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from locus.core.errors import BadValueError
from locus.scoring.statistics import resample
from locus.scoring.statistics.resample import CaseIndex, Sums, bootstrap_draws, by_patient, over_findings, resample_over, weights
from locus.scoring.statistics.summary import Column, difference, estimate, scores


@pytest.mark.byhand
def test_each_resample_draws_as_many_patients_as_there_are():
    drawn = weights(7, 0)
    assert drawn.shape == (10_000, 7)
    assert (drawn.sum(1) == 7).all()
    assert drawn.mean() == 1
    assert (drawn == weights.__wrapped__(7, 0)).all()
    assert (drawn != weights(7, 1)).any()


@pytest.mark.byhand
def test_draws_do_not_depend_on_the_size_of_a_block(monkeypatch):
    whole = weights(40, 3)
    monkeypatch.setattr(resample, "BLOCK_WEIGHTS", 40 * 7)
    assert (weights.__wrapped__(40, 3) == whole).all()
    sums = by_patient(np.eye(40), np.ones((40, 40)), ["a"] * 40, range(40), ["a"])
    cut = bootstrap_draws(sums, 3).samples
    monkeypatch.undo()
    assert (cut == bootstrap_draws(sums, 3).samples).all()


def test_bits_do_not_depend_on_the_number_of_threads():
    random = np.random.default_rng(0)
    sums = Sums(random.random((400, 2, 24)), np.ones((400, 2, 24)))
    resampled = {}
    for threads in (1, 2):
        with threadpool_limits(threads, "blas"):
            resampled[threads] = bootstrap_draws(sums).samples
    assert (resampled[1] == resampled[2]).all()


@pytest.mark.byhand
def test_patients_images_stay_together():
    sums = by_patient([[1.0], [1.0], [0.0], [0.0]], np.ones((4, 1)), ["a"] * 4, ["p", "p", "q", "q"], ["a"])
    assert set(np.unique(bootstrap_draws(sums).samples)) == {0.0, 0.5, 1.0}  # never a quarter: two patients, not four images


@pytest.mark.byhand
def test_maximum_is_chosen_again_in_each_resample_finding_by_finding_or_all_at_once():
    rng = np.random.default_rng(0)
    sums = by_patient(rng.random((60, 5)), np.ones((60, 5)), ["a", "b"] * 30, rng.integers(0, 25, 60), ["a", "b", "c"])
    whole, each = bootstrap_draws(sums).over(lambda values: values.max(-1)), resample_over(sums, lambda values: values.max(-1))
    for side in ("value", "samples", "without", "present"):
        assert np.allclose(getattr(whole, side), getattr(each, side), rtol=1e-6, equal_nan=True)
    assert whole.samples.shape == (10_000, 3)
    assert (whole.samples[:, 0] >= bootstrap_draws(sums).samples[:, 0].T).all()


@pytest.mark.byhand
def test_mean_over_findings_uses_the_findings_of_each_resample():
    result = over_findings(bootstrap_draws(by_patient([[1.0], [0.0]], np.ones((2, 1)), ["a", "b"], ["p", "q"], ["a", "b", "c"])))
    assert result.value.tolist() == [0.5]
    assert set(np.unique(result.samples)) == {0.0, 0.5, 1.0}
    assert result.without.ravel().tolist() == [0, 1]
    assert result.present.tolist() == [[True], [True]]


@pytest.mark.byhand
def test_arrays_of_different_cases_are_an_error():
    with pytest.raises(BadValueError, match=r"\(3, 1\).*\(3, 1\).*\(3,\).*\(2,\)"):
        by_patient(np.ones((3, 1)), np.ones((3, 1)), ["a"] * 3, ["p", "q"], ["a"])


@pytest.mark.byhand
def test_mean_weights_findings_equally_and_ignores_undefined_ones():
    columns = [Column("hit", "fixed", np.array([1.0, 0, 0, 1]), np.ones(4))]
    result = scores(estimate(columns, CaseIndex.of(["a", "a", "a", "b"], list("pqrs")), ("a", "b", "c"), 0), ("a", "b", "c"))
    assert [(s.finding, s.n, s.value) for s in result] == [("a", 3, 0.333333), ("b", 1, 1), ("c", 0, None), ("mean", 4, 0.666667)]


@pytest.mark.byhand
def test_difference_is_paired():
    columns = [Column("x", "oracle", np.tile([1.0, 0, 1], 10), np.ones(30)), Column("y", "fixed", np.tile([1.0, 0, 1], 10), np.ones(30))]
    first, second = estimate(columns, CaseIndex.of(["a"] * 30, [f"p{i}" for i in range(30)]), ("a",), 0)
    gap = scores([difference(first, second, "gap")], ("a",))[0]
    assert (gap.metric, gap.value, gap.low, gap.high, gap.threshold_source) == ("gap", 0, 0, 0, "oracle")
