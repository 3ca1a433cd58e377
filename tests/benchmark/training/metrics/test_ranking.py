"""AUROC and average precision, of the data and of all resamples."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score
from torchmetrics.functional.classification import binary_auroc, binary_average_precision

from locus.benchmark.training import metrics
from locus.benchmark.training.metrics import Predictions, scores
from locus.scoring.statistics.resample import interval, weights


@pytest.mark.byhand
def test_auroc_counts_the_pairs_in_order_however_large_the_logits():
    result = scores(torch.tensor([[0.1], [0.4], [0.35], [0.8]]), torch.tensor([[0.0], [0.0], [1.0], [1.0]]), ("A",))
    assert result["findings"]["A"] == {"auroc": pytest.approx(0.75), "ap": pytest.approx(5 / 6), "n": 4, "positives": 2}
    assert scores(torch.tensor([[100.0], [200.0]]), torch.tensor([[0.0], [1.0]]), ("A",))["mean_auroc"] == 1


@pytest.mark.oracle
def test_scores_equal_scikit_learn():
    rng = np.random.default_rng(0)
    values, labels = rng.normal(size=(200, 3)).round(1), rng.integers(0, 2, (200, 3))
    result = scores(torch.tensor(values), torch.tensor(labels).float(), ("A", "B", "C"))
    for k, name in enumerate("ABC"):
        assert result["findings"][name]["auroc"] == pytest.approx(roc_auc_score(labels[:, k], values[:, k]))
        assert result["findings"][name]["ap"] == pytest.approx(average_precision_score(labels[:, k], values[:, k]))


@pytest.mark.byhand
def test_a_finding_without_both_classes_is_nan_with_its_n_and_left_out_of_the_mean():
    labels = torch.tensor([[1.0, 0.0], [0.0, math.nan], [1.0, 0.0]])
    result = scores(torch.tensor([[2.0, 1.0], [1.0, 2.0], [3.0, 0.0]]), labels, ("A", "B"))
    assert result["mean_auroc"] == 1
    assert math.isnan(result["findings"]["B"]["auroc"])
    assert result["findings"]["B"]["n"] == 2
    assert math.isnan(scores(torch.zeros(2, 1), torch.zeros(2, 1), ("A",))["mean_auroc"])


@pytest.mark.byhand
def test_a_softmax_is_ranked_by_its_probabilities_and_not_by_its_logits():
    logits, labels = torch.tensor([[5.0, 9.0], [1.0, 0.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert scores(logits, labels, ("A", "B"), exclusive=True)["findings"]["A"]["auroc"] == 1
    assert scores(logits, labels, ("A", "B"))["findings"]["A"]["auroc"] == 0


def drawn(seed, n=60, patients=25, unknown=0.1, levels=4, k=2):
    """Predictions with ties, unknown labels and several images per patient."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (n, k)).astype("f8")
    values = (rng.normal(size=(n, k)) + labels).round() * levels / 4 if levels else rng.normal(size=(n, k)) + labels
    labels[rng.random((n, k)) < unknown] = np.nan
    return Predictions(tuple("abcd"[:k]), torch.tensor(values), torch.tensor(labels), [f"p{i}" for i in rng.integers(0, patients, n)])


@pytest.mark.oracle
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0, 1, 4]), st.integers(2, 40))
def test_resamples_equal_scikit_learn_and_torchmetrics(seed, levels, patients):
    predictions = drawn(seed, levels=levels, patients=patients)
    result, counts = metrics.resampled(predictions), weights(predictions.n_patients, 0)
    for r in range(6):
        index = np.repeat(np.arange(60), counts[r][predictions.patient_index])
        for k in range(2):
            value, label = predictions.logits[index, k], predictions.labels[index, k]
            value, label = value[~label.isnan()], label[~label.isnan()].long()
            if label.min() == label.max():
                assert np.isnan(result.samples[r, k]).all()
                continue
            output = roc_auc_score(label, value), average_precision_score(label, value)
            assert result.samples[r, k] == pytest.approx(output, abs=1e-6)
            rank = torch.unique(value, return_inverse=True)[1] / 100  # torchmetrics takes probabilities
            assert result.samples[r, k] == pytest.approx(
                [float(m(rank, label)) for m in (binary_auroc, binary_average_precision)], abs=1e-6
            )


@pytest.mark.oracle
def test_the_jackknife_leaves_out_each_patient_in_turn():
    predictions = drawn(3)
    result = metrics.resampled(predictions)
    for p in range(predictions.n_patients):
        remaining = torch.from_numpy(predictions.patient_index != p)
        output = scores(predictions.logits[remaining], predictions.labels[remaining], predictions.findings)["findings"]
        assert result.without[p] == pytest.approx(np.array([[row["auroc"], row["ap"]] for row in output.values()]), abs=1e-6)


@pytest.mark.planted
def test_interval_has_its_nominal_coverage():
    """Scores of N(1,1) against N(0,1) have the AUROC Phi(1/sqrt 2) = .7602."""
    held = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        labels = (rng.random((80, 4)) < 0.4).astype("f8")
        values = rng.normal(size=(80, 4)) + labels
        predictions = Predictions(tuple("abcd"), torch.tensor(values), torch.tensor(labels), [str(i) for i in range(80)])
        ends = interval(metrics.resampled(predictions))[:, 0]
        held += [low <= 0.76025 <= high for low, high in ends]
    assert 0.90 <= np.mean(held) <= 0.99
