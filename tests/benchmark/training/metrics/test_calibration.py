"""Temperature scaling finds the factor, and calibration errors are those of torchmetrics and scikit-learn."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from sklearn.metrics import brier_score_loss, log_loss
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

from locus.benchmark.training import metrics
from locus.benchmark.training.metrics import Predictions
from locus.benchmark.training.plots import bins, dots


def honest(n=20_000, k=2, exclusive=False, factor=1.0, seed=0):
    """Predictions whose labels are drawn with the stated probabilities; their logits are then multiplied by ``factor``."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, k)) * 1.5
    probable = torch.tensor(logits).softmax(1).numpy() if exclusive else 1 / (1 + np.exp(-logits))
    if exclusive:
        labels = np.eye(k)[(probable.cumsum(1) < rng.random(n)[:, None]).sum(1).clip(max=k - 1)]
    else:
        labels = (rng.random((n, k)) < probable).astype("f8")
    return Predictions(tuple("abcdef"[:k]), torch.tensor(logits * factor), torch.tensor(labels), [str(i) for i in range(n)], exclusive)


@pytest.mark.planted
@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("factor", [0.25, 1.0, 4.0])
def test_the_temperature_of_scaled_logits_is_the_factor(exclusive, factor):
    result = metrics.fit(honest(k=3, exclusive=exclusive, factor=factor))
    assert result["value"] == pytest.approx(factor, rel=0.05)
    assert result["nll_scaled"] <= result["nll"]
    assert result["origin"] == "validation"
    assert result["n"] == (20_000 if exclusive else 60_000)


@pytest.mark.byhand
def test_no_other_temperature_has_a_smaller_likelihood_loss():
    predictions = honest(n=400, factor=3.0)
    result = metrics.fit(predictions)
    for value in np.geomspace(result["value"] / 3, result["value"] * 3, 41):
        losses = [log_loss(predictions.labels[:, k], predictions.probabilities(value)[:, k]) for k in range(2)]
        assert np.mean(losses) >= result["nll_scaled"] - 5e-10


@pytest.mark.planted
@pytest.mark.parametrize("exclusive", [False, True])
def test_calibrated_probabilities_have_no_error_and_scaling_repairs_others(exclusive):
    assert max(metrics.expected_calibration_errors(honest(k=3, exclusive=exclusive), 1.0)) < 0.02
    boastful = honest(k=3, exclusive=exclusive, factor=5.0)
    fitted = metrics.fit(boastful)["value"]
    assert min(metrics.expected_calibration_errors(boastful, 1.0)) > 0.05
    assert max(metrics.expected_calibration_errors(boastful, fitted)) < 0.02
    if exclusive:
        assert metrics.top_class_calibration_error(boastful, 1.0) > 0.1
        assert metrics.top_class_calibration_error(boastful, fitted) < 0.02


@pytest.mark.byhand
def test_the_error_worked_by_hand():
    """Two bins: probabilities .25 of which half are there, and .75 of which all are: 1/2 · 1/4 + 1/2 · 1/4."""
    logits = torch.tensor([0.25, 0.25, 0.75, 0.75]).double().logit()[:, None]
    predictions = Predictions(("A",), logits, torch.tensor([[1.0], [0.0], [1.0], [1.0]]), list("abcd"))
    assert metrics.expected_calibration_errors(predictions, 1.0) == [pytest.approx(0.25, abs=1e-6)]
    assert metrics.brier_terms(predictions, 1.0)[0].mean() == pytest.approx((0.5625 + 0.0625 + 0.0625 + 0.0625) / 4)


@pytest.mark.oracle
def test_brier_and_errors_equal_scikit_learn_and_torchmetrics_and_the_picture_s_dots():
    predictions = honest(n=500, k=2, factor=2.0)
    predictions.labels[:50, 0] = float("nan")
    sums = metrics.sum_by_patient(metrics.brier_terms(predictions, 1.3), predictions)
    for k in range(2):
        labelled = ~predictions.labels[:, k].isnan()
        text, true = predictions.probabilities(1.3)[labelled, k], predictions.labels[labelled, k]
        assert sums.value[k, 0] == pytest.approx(brier_score_loss(true, text))
        output = float(binary_calibration_error(torch.tensor(text), true.long(), n_bins=15, norm="l1"))
        assert metrics.expected_calibration_errors(predictions, 1.3)[k] == output
        mean, frequency, count = bins(text, true.numpy() == 1)
        assert (count / count.sum() * abs(mean - frequency)).sum() == pytest.approx(output, abs=1e-6)
    softmax = honest(n=500, k=4, exclusive=True)
    output = multiclass_calibration_error(torch.tensor(softmax.probabilities()), torch.tensor(softmax.classes), 4, n_bins=15, norm="l1")
    assert metrics.top_class_calibration_error(softmax, 1.0) == float(output)


@pytest.mark.byhand
def test_line_skips_small_bins():
    axes = Figure().add_subplot()
    dots(axes, np.array([0.1, 0.3, 0.5, 0.9]), np.array([0.0, 1.0, 0.4, 0.8]), np.array([9.0, 1.0, 5.0, 4.0]), "k", "o", "before")
    ((x, y),) = [line.get_data() for line in axes.lines]
    assert (list(x), list(y)) == ([0.1, 0.5], [0.0, 0.4])
    assert len(axes.collections[0].get_offsets()) == 4


@pytest.mark.byhand
def test_temperature_requires_labels_and_errors():
    unknown = metrics.fit(Predictions(("A",), torch.zeros(2, 1).double(), torch.full((2, 1), float("nan")), ["p", "q"]))
    assert np.isnan(unknown["value"])
    assert (unknown["n"], unknown["reason"]) == (0, "no validation label is known")
    right = metrics.fit(Predictions(("A",), torch.tensor([[1.0], [-1.0]]).double(), torch.tensor([[1.0], [0.0]]), ["p", "q"]))
    assert right["reason"] == "the likelihood has no maximum between 0.01 and 100"


@pytest.mark.byhand
def test_scaling_changes_neither_decisions_nor_ranks():
    predictions = honest(n=200, factor=4.0)
    before, after = predictions.probabilities(), predictions.probabilities(metrics.fit(predictions)["value"])
    assert (before.argsort(0) == after.argsort(0)).all()
    assert ((before >= 0.5) == (after >= 0.5)).all()
