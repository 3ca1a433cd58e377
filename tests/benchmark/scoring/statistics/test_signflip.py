"""Sign-flip test and Holm's correction: by hand, against SciPy, and the rate of false positives."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from locus.benchmark.scoring.statistics.resample import Sums, by_patient, holm, ratio, sign_flip
from locus.core.errors import BadValueError


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
    assert sign_flip(one_each(first), one_each(second)).ravel().tolist() == [p, p]


@pytest.mark.byhand
def test_patients_images_and_findings_are_swapped_together():
    findings, patients = ["a", "a", "b", "a", "b"], ["p", "p", "p", "q", "q"]
    one, two = (by_patient(np.full((5, 1), value), np.ones((5, 1)), findings, patients, ["a", "b", "c"]) for value in (1.0, 0.0))
    p = sign_flip(one, two).ravel()
    assert p[[0, 1, 3]].tolist() == [0.5, 0.5, 0.5]  # two coins, of five images
    assert np.isnan(p[2])


@pytest.mark.byhand
def test_different_denominators_are_swapped_with_their_numerators():
    rng = np.random.default_rng(0)
    one, two = (Sums(part, part + rng.random((6, 1, 1))) for part in rng.random((2, 6, 1, 1)))
    seen, as_extreme = abs(one.value - two.value)[0, 0], 0
    for heads in itertools.product([True, False], repeat=6):
        kept = np.array(heads)[:, None, None]
        sides = [
            ratio(np.where(kept, a.numerator, b.numerator).sum(0), np.where(kept, a.denominator, b.denominator).sum(0))
            for a, b in ((one, two), (two, one))
        ]
        as_extreme += abs(sides[0] - sides[1])[0, 0] >= seen - 1e-12
    assert sign_flip(one, two)[0, 0] == as_extreme / 64


@pytest.mark.oracle
def test_exact_p_equals_scipy():
    first, second = np.random.default_rng(1).random((2, 12))
    expected = stats.permutation_test((first - second,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip(one_each(first), one_each(second))[0, 0] == pytest.approx(expected.pvalue)


@pytest.mark.oracle
def test_random_flips_are_close_to_the_t_test():
    rng = np.random.default_rng(2)
    first = rng.random((400, 6))
    second = first + rng.normal(0.01, 0.2, (400, 6))
    sums = (by_patient(v, np.ones_like(v), ["a"] * 400, range(400), ["a"]) for v in (first, second))
    assert sign_flip(*sums)[0] == pytest.approx(stats.ttest_rel(first, second).pvalue, abs=0.02)


@pytest.mark.planted
def test_p_of_equal_methods_is_below_a_tenth_in_a_tenth_of_the_runs():
    rng = np.random.default_rng(3)
    images = rng.integers(1, 4, (60, 500))
    share = rng.beta(1, 1, (60, 500))
    one, two = (Sums(rng.binomial(images, share)[:, None] * 1.0, images[:, None] * 1.0) for _ in range(2))
    p = sign_flip(one, two)[0]
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
    with pytest.raises(BadValueError, match=r"\(2, 1, 1\).*\(3, 1, 1\)"):
        sign_flip(one_each([1, 0]), one_each([1, 0, 1]))


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


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_holm_keeps_the_order_and_is_between_p_and_bonferroni(p, random):
    p = np.array(p)
    adjusted, order = holm(p), np.array(random.sample(range(len(p)), len(p)))
    assert np.allclose(holm(p[order]), adjusted[order])
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()
    assert ((adjusted >= p) & (adjusted <= np.minimum(1, len(p) * p) + 1e-15)).all()
