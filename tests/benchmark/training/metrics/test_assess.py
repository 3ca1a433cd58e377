"""What metrics.json says: every number with its interval, n, origin, or the reason why it is missing."""

import json

import numpy as np
import pytest
import torch

from benchmark.training.evaluate import undefined_as_none
from benchmark.training.metrics import scores
from benchmark.training.metrics.assess import assess
from benchmark.training.metrics.predictions import Predictions

NAMES = ("Mass", "Nodule", "Hernia")
METRICS = {"auroc", "ap", "sensitivity", "specificity", "ppv", "npv", "f1", "accuracy", "brier", "brier_scaled"}


def answered(seed, n=120, hernia=False, exclusive=False):
    rng = np.random.default_rng(seed)
    labels = np.eye(3)[rng.integers(0, 3, n)] if exclusive else (rng.random((n, 3)) < 0.4).astype("f8")
    if not hernia and not exclusive:
        labels[:, 2] = 0
    values = rng.normal(size=(n, 3)) + 1.5 * labels
    return Predictions(NAMES, torch.tensor(values), torch.tensor(labels), [f"p{i // 2}" for i in range(n)], exclusive)


@pytest.mark.byhand
def test_every_number_has_an_interval_that_holds_it_its_n_and_what_its_threshold_rests_on():
    found = assess(answered(0, hernia=True), answered(1, hernia=True))
    assert found["resampling"] == {"level": 0.95, "kind": "bca", "unit": "patient", "resamples": 10_000}
    assert {row["origin"] for row in found["thresholds"].values()} == {"validation"}
    assert {row["n"] for row in found["thresholds"].values()} == {120}
    assert (found["val"]["threshold_origin"], found["test"]["threshold_origin"]) == ("oracle", "validation")
    for split in ("val", "test"):
        assert (found[split]["n"], found[split]["patients"], found[split]["judged"]) == (120, 60, 120)
        for row in found[split]["findings"].values():
            assert set(row) == {*METRICS, "ece", "ece_scaled", "n", "positives", "intervals"}
            assert set(row["intervals"]) == METRICS
            assert all(low <= row[name] <= high and low < high for name, (low, high) in row["intervals"].items())
        means = {name: np.mean([row[name] for row in found[split]["findings"].values()]) for name in METRICS}
        assert {name: found[split][f"mean_{name}"] for name in METRICS} == pytest.approx(means)
        assert set(found[split]["intervals"]) == {*(f"mean_{name}" for name in METRICS), "hamming_loss", "exact_match"}


@pytest.mark.byhand
def test_auroc_and_ap_are_those_that_the_records_take_from_the_predictions():
    test = answered(1, hernia=True)
    found, told = assess(answered(0, hernia=True), test)["test"], scores(test.logits, test.labels, NAMES)
    assert (found["mean_auroc"], found["mean_ap"], found["n"]) == pytest.approx((told["mean_auroc"], told["mean_ap"], told["n"]))
    for name, row in told["findings"].items():
        assert {key: found["findings"][name][key] for key in row} == row


@pytest.mark.byhand
def test_what_is_undefined_is_null_and_says_why():
    found = undefined_as_none(assess(answered(0), answered(1)))
    json.dumps(found, allow_nan=False)
    hernia = found["test"]["findings"]["Hernia"]
    assert hernia["auroc"] is hernia["ap"] is hernia["sensitivity"] is hernia["accuracy"] is None
    assert hernia["intervals"]["auroc"] is None
    assert (hernia["n"], hernia["positives"]) == (120, 0)
    assert hernia["reasons"]["auroc"] == "0 of 120 images are positive: one class only"
    assert hernia["reasons"]["accuracy"] == "0 of 120 validation images are positive: no threshold can be chosen"
    assert found["thresholds"]["Hernia"]["logit"] is None
    means = [found["test"]["findings"][name]["f1"] for name in ("Mass", "Nodule")]
    assert found["test"]["mean_f1"] == pytest.approx(np.mean(means))


@pytest.mark.byhand
def test_a_threshold_from_validation_serves_a_test_side_without_positives():
    found = assess(answered(0, hernia=True), answered(1))["test"]["findings"]["Hernia"]
    assert np.isnan([found["auroc"], found["sensitivity"]]).all()
    assert found["reasons"]["sensitivity"] == "no image is positive"
    assert 0 < found["specificity"] < 1
    assert found["ppv"] == 0  # some were called positive, and none is


@pytest.mark.byhand
def test_a_choice_of_fixed_thresholds_is_fixed_on_both_sides():
    found = assess(answered(0), answered(1), "fixed")
    assert (found["val"]["threshold_origin"], found["test"]["threshold_origin"]) == ("fixed", "fixed")
    assert found["thresholds"]["Hernia"] == {"logit": 0.0, "probability": 0.5, "origin": "fixed", "choice": "fixed", "n": 0}


@pytest.mark.byhand
def test_a_softmax_has_classes_instead_of_thresholds():
    found = assess(answered(0, exclusive=True), answered(1, exclusive=True))
    assert "thresholds" not in found
    test = found["test"]
    assert np.sum(test["confusion_matrix"]) == test["n"] == 120
    assert test["accuracy"] == np.trace(test["confusion_matrix"]) / 120
    assert set(test["findings"]["Mass"]["intervals"]) == {"auroc", "ap", "precision", "recall", "f1", "accuracy", "brier", "brier_scaled"}
    assert 0 < test["ece_scaled"] < 0.2


@pytest.mark.byhand
def test_fewer_than_ten_patients_have_numbers_and_no_interval():
    found = assess(answered(0, 18, hernia=True), answered(1, 18, hernia=True))["test"]
    assert found["patients"] == 9
    assert set(found["intervals"].values()) == {None}
    assert found["mean_auroc"] > 0


@pytest.mark.byhand
def test_by_study_it_is_the_largest_of_what_its_images_say_and_have():
    logits, labels = (
        torch.tensor([[1.0, 5.0], [2.0, 0.0], [3.0, 3.0]]).double(),
        torch.tensor([[0.0, float("nan")], [1.0, 0.0], [0.0, 0.0]]),
    )
    found = Predictions(("A", "B"), logits, labels, ["p", "p", "q"]).by_study(["s2", "s2", "s1"])
    assert found.logits.tolist() == [[3, 3], [2, 5]]
    assert found.labels.tolist() == [[0, 0], [1, 0]]
    assert found.patients == ["q", "p"]
