"""Thresholds: which is chosen, on whom, and what that does to a score."""

import numpy as np
import pytest

from benchmark import thresholds
from core.seeds import generator, patient_folds


@pytest.mark.byhand
def test_ties_go_to_the_larger_mean_iou_then_to_the_lowest_threshold():
    hits = np.array([[1, 1, 0], [0, 0, 0]], dtype=bool)
    assert thresholds.best(hits, np.array([[0.4, 0.5, 0.9], [0, 0, 0.9]])) == 1
    assert thresholds.best(hits, np.array([[0.5, 0.5, 0.9], [0, 0, 0.9]])) == 0


@pytest.mark.byhand
def test_a_fold_takes_the_threshold_that_the_other_patients_chose():
    patients = [f"p{i}" for i in range(10)]
    fold = patient_folds(patients, thresholds.FOLDS, 0)
    hits = np.zeros((10, 2), dtype=bool)
    hits[fold == 2, 0] = True  # only the patients of fold 2 like threshold 0, all others like threshold 1
    hits[fold != 2, 1] = True
    hits[fold == 2, 1] = False
    chosen = thresholds.cross_fitted(hits, hits * 0.5, ["a"] * 10, patients, 0)
    assert chosen.tolist() == [1] * 10
    assert not hits[fold == 2, chosen[fold == 2]].any()


@pytest.mark.byhand
def test_a_finding_with_cases_in_one_fold_only_takes_the_default():
    chosen = thresholds.cross_fitted(np.ones((2, 3), bool), np.ones((2, 3)), ["a", "a"], ["p", "p"], default=2)
    assert chosen.tolist() == [2, 2]


@pytest.mark.planted
def test_a_finding_does_not_choose_for_another():
    hits = np.array([[1, 0], [0, 1]] * 20, dtype=bool)
    findings, patients = ["a", "b"] * 20, [f"p{i}" for i in range(40)]
    assert thresholds.oracle(hits, hits * 1.0, findings).tolist() == [0, 1] * 20
    assert thresholds.cross_fitted(hits, hits * 1.0, findings, patients, 0).tolist() == [0, 1] * 20


@pytest.mark.planted
def test_cut_offs_tuned_on_test_flatter_and_cross_fitted_ones_do_not():
    gaps = []
    for seed in range(60):
        quality = generator(seed, "test").random((50, 40))  # no threshold is better than another
        hits, one, patients = quality > 0.8, ["a"] * 50, [f"p{i}" for i in range(50)]
        every = np.arange(50)
        pairs = (thresholds.oracle(hits, quality, one), thresholds.cross_fitted(hits, quality, one, patients, 0, seed))
        gaps.append([hits[every, chosen].mean() - 0.2 for chosen in pairs])
    oracle, crossed = np.mean(gaps, 0)
    assert oracle > 0.08
    assert crossed < 0.015


@pytest.mark.planted
def test_no_patient_is_on_both_sides_of_a_fold():
    patients = [f"p{i % 7}" for i in range(50)]
    fold = patient_folds(patients, thresholds.FOLDS, 3)
    assert all(len({f for p, f in zip(patients, fold, strict=True) if p == patient}) == 1 for patient in set(patients))


@pytest.mark.byhand
def test_a_record_states_each_threshold_that_was_chosen():
    assert thresholds.stated(np.array([2, 0, 2, 1]), [0.0, 0.1, 0.2], ["a", "a", "a", "b"]) == {"a": [0.0, 0.2], "b": [0.1]}
