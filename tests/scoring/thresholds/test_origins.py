"""Threshold sources: chosen thresholds, and their effect on scores."""

import numpy as np
import pytest

from locus.core.types import patient_folds
from locus.scoring import score_thresholds as thresholds
from locus.scoring.score_thresholds import SampledThresholds, cross_fitted, distinct_thresholds, from_validation
from locus.scoring.statistics.resample import SHARED_SUFFIX, CaseIndex

TEN = [f"p{i}" for i in range(10)]
LIKES = {"zero": [1, 0], "one": [0, 1]}  # which of two thresholds a case hits at


def listed(*likes: str) -> SampledThresholds:
    hits = np.array([LIKES[like] for like in likes], dtype=bool)
    return SampledThresholds(hits, hits * 0.5)


@pytest.mark.byhand
def test_ties_go_to_the_larger_mean_iou_then_to_the_lowest_threshold():
    hits, every = np.array([[1, 1, 0], [0, 0, 0]], dtype=bool), np.arange(2)
    assert SampledThresholds(hits, np.array([[0.4, 0.5, 0.9], [0, 0, 0.9]])).best(every) == 1
    assert SampledThresholds(hits, np.array([[0.5, 0.5, 0.9], [0, 0, 0.9]])).best(every) == 0


@pytest.mark.byhand
def test_rounding_does_not_choose_between_equal_means():
    quality = np.array([[0.1, 0.3], [0.2, 0.2], [0.3, 0.1]])  # .1 + .2 + .3 is .6000000000000001, .3 + .2 + .1 is .6
    for order in (quality, quality[::-1]):
        assert SampledThresholds(np.zeros((3, 2), bool), order).best(np.arange(3)) == 0


@pytest.mark.byhand
def test_fold_uses_the_threshold_chosen_on_other_patients():
    fold = patient_folds(TEN, thresholds.FOLD_COUNT, 0)
    odd = listed(*("zero" if number == 2 else "one" for number in fold))
    chosen = cross_fitted(odd, CaseIndex.of(["a"] * 10, TEN), default=0)
    assert chosen.tolist() == [1] * 10
    assert not thresholds.at_index(odd.hits, chosen)[fold == 2].any()


@pytest.mark.planted
def test_findings_have_separate_thresholds_and_a_shared_one_is_the_best_for_all_cases():
    on, who = listed(*(["zero", "one", "one"] * 20)), CaseIndex.of(["a", "b", "b"] * 20, [f"p{i}" for i in range(60)])
    for choice in (thresholds.oracle, lambda *args, **more: cross_fitted(*args, 0, **more)):
        assert choice(on, who).tolist() == [0, 1, 1] * 20
        assert choice(on, who, shared=True).tolist() == [1, 1, 1] * 20


@pytest.mark.byhand
def test_validation_cases_choose_for_their_training_run_and_finding():
    who = CaseIndex.of(["a", "a", "b", "b"], TEN[:4], [0, 1, 0, 1])
    validation_index = CaseIndex.of(["a", "a", "b", "b", "b"], ["q"] * 5, [0, 1, 0, 0, 0])
    on = listed("zero", "one", "one", "one", "one")
    np.testing.assert_array_equal(from_validation(on, validation_index, who), [0, 1, 1, np.nan])  # training 1 has no validation case of b
    assert from_validation(on, validation_index, who, shared=True).tolist() == [1, 1, 1, 1]


@pytest.mark.byhand
def test_record_lists_all_chosen_thresholds():
    index = CaseIndex.of(["a", "a", "a", "b"], TEN[:4])
    chosen = {("oracle", ""): np.array([2, 0, 2, np.nan]), ("oracle", SHARED_SUFFIX): np.ones(4)}
    assert distinct_thresholds(chosen, index, [0.0, 0.1, 0.2]) == {"oracle": {"a": [0.0, 0.2], "b": [], SHARED_SUFFIX: [0.1]}}
    assert distinct_thresholds({("fixed", ""): np.full(4, 1 / 3)}, index) == {"fixed": {"a": [0.333333], "b": [0.333333]}}
