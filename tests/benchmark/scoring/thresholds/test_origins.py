"""Threshold origins: chosen thresholds, and their effect on scores."""

import numpy as np
import pytest

from benchmark.scoring.statistics.patients import SHARED_SUFFIX, CaseIndex
from benchmark.scoring.thresholds import origins as thresholds
from benchmark.scoring.thresholds.origins import (
    SampledThresholds,
    at_index,
    choose,
    cross_fitted,
    distinct_thresholds,
    from_validation,
    oracle,
)
from core.seeds import generator, patient_folds

LIKES = {"zero": [1, 0], "one": [0, 1]}  # which of two thresholds a case hits at


def listed(*likes: str) -> SampledThresholds:
    hits = np.array([LIKES[like] for like in likes], dtype=bool)
    return SampledThresholds(hits, hits * 0.5)


def patients(n: int) -> list[str]:
    return [f"p{i}" for i in range(n)]


@pytest.mark.byhand
def test_ties_go_to_the_larger_mean_iou_then_to_the_lowest_threshold():
    hits, every = np.array([[1, 1, 0], [0, 0, 0]], dtype=bool), np.arange(2)
    assert SampledThresholds(hits, np.array([[0.4, 0.5, 0.9], [0, 0, 0.9]])).best(every) == 1
    assert SampledThresholds(hits, np.array([[0.5, 0.5, 0.9], [0, 0, 0.9]])).best(every) == 0


@pytest.mark.byhand
def test_rounding_does_not_choose_between_equal_means():
    quality = np.array([[0.1, 0.3], [0.2, 0.2], [0.3, 0.1]])  # .1 + .2 + .3 is .6000000000000001, .3 + .2 + .1 is .6
    assert (
        SampledThresholds(np.zeros((3, 2), bool), quality).best(np.arange(3))
        == SampledThresholds(np.zeros((3, 2), bool), quality[::-1]).best(np.arange(3))
        == 0
    )


@pytest.mark.byhand
def test_fold_uses_the_threshold_chosen_on_other_patients():
    fold = patient_folds(patients(10), thresholds.FOLDS, 0)
    odd = listed(*("zero" if number == 2 else "one" for number in fold))
    chosen = cross_fitted(odd, CaseIndex.of(["a"] * 10, patients(10)), default=0)
    assert chosen.tolist() == [1] * 10
    assert not at_index(odd.hits, chosen)[fold == 2].any()


@pytest.mark.byhand
def test_finding_with_cases_in_one_fold_uses_the_default():
    assert cross_fitted(listed("zero", "zero"), CaseIndex.of(["a", "a"], ["p", "p"]), default=1).tolist() == [1, 1]


@pytest.mark.planted
def test_findings_have_separate_thresholds_and_a_shared_one_is_the_best_for_all_cases():
    on, who = listed(*(["zero", "one", "one"] * 20)), CaseIndex.of(["a", "b", "b"] * 20, patients(60))
    for choice in (oracle, lambda *args, **more: cross_fitted(*args, 0, **more)):
        assert choice(on, who).tolist() == [0, 1, 1] * 20
        assert choice(on, who, shared=True).tolist() == [1, 1, 1] * 20


@pytest.mark.byhand
def test_validation_cases_choose_for_their_training_run_and_finding():
    who = CaseIndex.of(["a", "a", "b", "b"], patients(4), [0, 1, 0, 1])
    validation_index = CaseIndex.of(["a", "a", "b", "b", "b"], ["q"] * 5, [0, 1, 0, 0, 0])
    on = listed("zero", "one", "one", "one", "one")
    np.testing.assert_array_equal(from_validation(on, validation_index, who), [0, 1, 1, np.nan])  # training 1 has no validation case of b
    assert from_validation(on, validation_index, who, shared=True).tolist() == [1, 1, 1, 1]


@pytest.mark.byhand
def test_without_validation_cases_there_is_no_such_origin():
    on, who = listed("zero", "one"), CaseIndex.of(["a", "a"], patients(2))
    assert {origin for origin, _ in choose((on, who), 0)} == {"cross-fitted", "oracle"}
    keys = choose((on, who), 0, validation=(listed("one"), CaseIndex.of(["a"], ["q"])))
    assert keys["validation", ""].tolist() == keys["validation", SHARED_SUFFIX].tolist() == [1, 1]


@pytest.mark.planted
def test_oracle_thresholds_overstate_scores_and_cross_fitted_ones_do_not():
    gaps = []
    who = CaseIndex.of(["a"] * 50, patients(50))
    for seed in range(60):
        quality = generator(seed, "test").random((50, 40))  # no threshold is better than another
        on = SampledThresholds(quality > 0.8, quality)
        gaps.append([at_index(on.hits, chosen).mean() - 0.2 for chosen in (oracle(on, who), cross_fitted(on, who, 0, seed))])
    best, crossed = np.mean(gaps, 0)
    assert best > 0.08
    assert crossed < 0.015


@pytest.mark.planted
def test_no_patient_is_in_two_folds():
    people = [f"p{i % 7}" for i in range(50)]
    fold = patient_folds(people, thresholds.FOLDS, 3)
    assert all(len({f for p, f in zip(people, fold, strict=True) if p == patient}) == 1 for patient in set(people))


@pytest.mark.byhand
def test_record_lists_all_chosen_thresholds():
    index = CaseIndex.of(["a", "a", "a", "b"], patients(4))
    chosen = {("oracle", ""): np.array([2, 0, 2, np.nan]), ("oracle", SHARED_SUFFIX): np.ones(4)}
    assert distinct_thresholds(chosen, index, [0.0, 0.1, 0.2]) == {"oracle": {"a": [0.0, 0.2], "b": [], SHARED_SUFFIX: [0.1]}}
    assert distinct_thresholds({("fixed", ""): np.full(4, 1 / 3)}, index) == {"fixed": {"a": [0.333333], "b": [0.333333]}}
