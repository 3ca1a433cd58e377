"""Sign-flip test and Holm's correction: by hand, against SciPy, and the rate of false positives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from locus.core.errors import BadValueError
from locus.scoring.statistics.resample import Sums, by_patient, holm, sign_flip


def one_each(values):
    """Return sums of values (P,) with one case per patient, one finding, one column."""
    values = np.asarray(values, dtype=np.float64)[:, None]
    return by_patient(values, np.ones_like(values), ["a"] * len(values), range(len(values)), ["a"])


@pytest.mark.byhand
@pytest.mark.parametrize(
    ("first", "second", "p"),
    [
        ([1, 1, 1, 1], [0, 0, 0, 0], 2 / 16),  # all heads or all tails
        ([1, 1, 1, 0], [0, 0, 0, 1], 10 / 16),  # 3 against 1 and beyond: 2 · (1 + 4)
        ([1, 0, 1, 1], [0, 1, 1, 1], 1.0),  # one against one; the patients who agree have no say
        ([0.5, 0.5], [0.5, 0.5], 1.0),
    ],
)
def test_few_patients_use_all_flips(first, second, p):
    assert sign_flip(one_each(first), one_each(second)).tolist() == [p]


@pytest.mark.byhand
def test_patients_images_and_findings_are_swapped_together():
    findings, patients = ["a", "a", "b", "a", "b"], ["p", "p", "p", "q", "q"]
    one, two = (by_patient(np.full((5, 1), value), np.ones((5, 1)), findings, patients, ["a", "b", "c"]) for value in (1.0, 0.0))
    assert sign_flip(one, two).tolist() == [0.5]  # two coins, of five images; no case of the third finding
    assert np.isnan(sign_flip(Sums(*np.zeros((2, 3, 1, 1))), Sums(*np.zeros((2, 3, 1, 1))))).all()


@pytest.mark.oracle
def test_exact_p_equals_scipy():
    first, second = np.random.default_rng(1).random((2, 12))
    expected = stats.permutation_test((first - second,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip(one_each(first), one_each(second))[0] == pytest.approx(expected.pvalue)


@pytest.mark.planted
def test_p_of_equal_methods_is_below_a_tenth_in_a_tenth_of_the_runs():
    rng = np.random.default_rng(3)
    images = rng.integers(1, 4, (60, 500))
    share = rng.beta(1, 1, (60, 500))
    one, two = (Sums(rng.binomial(images, share)[:, None] * 1.0, images[:, None] * 1.0) for _ in range(2))
    p = sign_flip(one, two)
    assert 0.06 <= (p <= 0.1).mean() <= 0.14
    assert p.min() >= 1 / 10_001


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(0, 2**32 - 1), st.integers(0, 5), st.floats(0.1, 10))
def test_p_of_a_duplicate_is_1_and_units_and_sides_do_not_matter(patients, random, seed, scale):
    first, second = np.random.default_rng(random).random((2, patients))
    assert (sign_flip(one_each(first), one_each(first), seed) == 1).all()
    p = sign_flip(one_each(first), one_each(second), seed)
    assert ((p > 0) & (p <= 1)).all()
    assert np.array_equal(p, sign_flip(one_each(second), one_each(first), seed))
    assert np.allclose(p, sign_flip(one_each(scale * first), one_each(scale * second), seed))


def test_sums_of_other_cases_cannot_be_paired():
    for other in (one_each([1, 0, 1]), Sums(np.ones((2, 1, 1)), np.full((2, 1, 1), 2.0))):
        with pytest.raises(BadValueError):
            sign_flip(one_each([1, 0]), other)


@pytest.mark.byhand
def test_holm_steps_down_from_the_smallest():
    p = np.array([[0.01, 0.04], [0.03, 0.005]])
    assert holm(p) == pytest.approx(np.array([[0.03, 0.06], [0.06, 0.02]]))  # .005·4, .01·3, .03·2, and .04·1 is held at .06
    assert holm(np.array([0.4, 0.9])).tolist() == [0.8, 0.9]
    assert holm(np.array([0.9, 0.7])).tolist() == [1, 1]


@pytest.mark.byhand
def test_undefined_p_does_not_count():
    assert np.array_equal(holm(np.array([np.nan, 0.02, 0.03])), [np.nan, 0.04, 0.04], equal_nan=True)
    assert np.isnan(holm(np.array([np.nan]))).all()
