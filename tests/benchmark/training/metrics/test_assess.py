"""metrics.json: all values have interval, n and threshold_source, or a reason."""

import json

import numpy as np
import pytest
import torch

from locus.benchmark.training.evaluate import undefined_as_none
from locus.benchmark.training.metrics import Predictions, assess, scores

pytestmark = pytest.mark.byhand

NAMES = ("Mass", "Nodule", "Hernia")
METRICS = {"auroc", "ap", "sensitivity", "specificity", "ppv", "npv", "f1", "accuracy"}


def answered(seed, n=120, hernia=False, exclusive=False):
    rng = np.random.default_rng(seed)
    labels = np.eye(3)[rng.integers(0, 3, n)] if exclusive else (rng.random((n, 3)) < 0.4).astype("f8")
    if not hernia and not exclusive:
        labels[:, 2] = 0
    values = rng.normal(size=(n, 3)) + 1.5 * labels
    return Predictions(NAMES, torch.tensor(values), torch.tensor(labels), [f"p{i // 2}" for i in range(n)], exclusive)


def test_all_metrics_have_interval_n_and_threshold_source():
    result = assess(answered(0, hernia=True), answered(1, hernia=True))
    assert result["resampling"] == {"level": 0.95, "kind": "bca", "unit": "patient", "resamples": 10_000}
    assert {row["threshold_source"] for row in result["thresholds"].values()} == {"validation"}
    assert {row["n"] for row in result["thresholds"].values()} == {120}
    assert (result["val"]["threshold_source"], result["test"]["threshold_source"]) == ("oracle", "validation")
    for split in ("val", "test"):
        assert (result[split]["n"], result[split]["patients"], result[split]["judged"]) == (120, 60, 120)
        for row in result[split]["findings"].values():
            assert set(row) == {*METRICS, "n", "positives", "intervals"}
            assert set(row["intervals"]) == METRICS
            assert all(low <= row[name] <= high and low < high for name, (low, high) in row["intervals"].items())
        means = {name: np.mean([row[name] for row in result[split]["findings"].values()]) for name in METRICS}
        assert {name: result[split][f"mean_{name}"] for name in METRICS} == pytest.approx(means)
        assert set(result[split]["intervals"]) == {*(f"mean_{name}" for name in METRICS), "hamming_loss", "exact_match"}


def test_auroc_and_ap_are_those_that_the_records_take_from_the_predictions():
    test = answered(1, hernia=True)
    result, output = assess(answered(0, hernia=True), test)["test"], scores(test.logits, test.labels, NAMES)
    assert (result["mean_auroc"], result["mean_ap"], result["n"]) == pytest.approx((output["mean_auroc"], output["mean_ap"], output["n"]))
    for name, row in output["findings"].items():
        assert {key: result["findings"][name][key] for key in row} == row


def test_undefined_metrics_are_null_with_a_reason():
    result = undefined_as_none(assess(answered(0), answered(1)))
    json.dumps(result, allow_nan=False)
    hernia = result["test"]["findings"]["Hernia"]
    assert hernia["auroc"] is hernia["ap"] is hernia["sensitivity"] is hernia["accuracy"] is None
    assert hernia["intervals"]["auroc"] is None
    assert (hernia["n"], hernia["positives"]) == (120, 0)
    assert hernia["reasons"]["auroc"] == "0 of 120 images are positive: one class only"
    assert hernia["reasons"]["accuracy"] == "0 of 120 validation images are positive: no threshold can be chosen"
    assert result["thresholds"]["Hernia"]["logit"] is None
    means = [result["test"]["findings"][name]["f1"] for name in ("Mass", "Nodule")]
    assert result["test"]["mean_f1"] == pytest.approx(np.mean(means))


def test_a_threshold_from_validation_serves_a_test_side_without_positives():
    result = assess(answered(0, hernia=True), answered(1))["test"]["findings"]["Hernia"]
    assert np.isnan([result["auroc"], result["sensitivity"]]).all()
    assert result["reasons"]["sensitivity"] == "no image is positive"
    assert 0 < result["specificity"] < 1
    assert result["ppv"] == 0  # some were called positive, and none is


def test_a_choice_of_fixed_thresholds_is_fixed_on_both_sides():
    result = assess(answered(0), answered(1), "fixed")
    assert (result["val"]["threshold_source"], result["test"]["threshold_source"]) == ("fixed", "fixed")
    assert result["thresholds"]["Hernia"] == {"logit": 0.0, "probability": 0.5, "threshold_source": "fixed", "choice": "fixed", "n": 0}


def test_without_validation_images_the_test_images_are_ranked_and_thresholds_have_a_reason():
    result = assess(None, answered(1))
    assert "val" not in result
    assert result["test"]["mean_auroc"] == assess(answered(0), answered(1))["test"]["mean_auroc"]
    assert np.isnan(result["test"]["mean_f1"])
    reasons = {result["thresholds"]["Mass"]["reason"], result["test"]["findings"]["Mass"]["reasons"]["f1"]}
    assert reasons == {"no validation label is known: no threshold can be chosen"}


def test_a_softmax_has_classes_instead_of_thresholds():
    result = assess(answered(0, exclusive=True), answered(1, exclusive=True))
    assert "thresholds" not in result
    test = result["test"]
    assert np.sum(test["confusion_matrix"]) == test["n"] == 120
    assert test["accuracy"] == np.trace(test["confusion_matrix"]) / 120
    assert set(test["findings"]["Mass"]["intervals"]) == {"auroc", "ap", "precision", "recall", "f1", "accuracy"}


def test_fewer_than_ten_patients_have_numbers_and_no_interval():
    result = assess(answered(0, 18, hernia=True), answered(1, 18, hernia=True))["test"]
    assert result["patients"] == 9
    assert set(result["intervals"].values()) == {None}
    assert result["mean_auroc"] > 0


def test_study_uses_the_maximum_of_its_images():
    logits = torch.tensor([[1.0, 5.0], [2.0, 0.0], [3.0, 3.0]]).double()
    labels = torch.tensor([[0.0, float("nan")], [1.0, 0.0], [0.0, 0.0]])
    result = Predictions(("A", "B"), logits, labels, ["p", "p", "q"]).by_study(["s2", "s2", "s1"])
    assert result.logits.tolist() == [[3, 3], [2, 5]]
    assert result.labels.tolist() == [[0, 0], [1, 0]]
    assert result.patients == ["q", "p"]
