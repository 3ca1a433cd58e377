"""AUROC and average precision."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmark.training.metrics import scores


@pytest.mark.byhand
def test_auroc_counts_the_pairs_in_order():
    result = scores(torch.tensor([[0.1], [0.4], [0.35], [0.8]]), torch.tensor([[0.0], [0.0], [1.0], [1.0]]), ("A",))
    assert result["mean_auroc"] == pytest.approx(0.75)
    assert result["findings"]["A"] == {"auroc": pytest.approx(0.75), "ap": pytest.approx(5 / 6), "n": 4, "positives": 2}


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


@pytest.mark.byhand
def test_mean_is_nan_without_defined_findings():
    assert math.isnan(scores(torch.zeros(2, 1), torch.zeros(2, 1), ("A",))["mean_auroc"])


@pytest.mark.byhand
def test_large_logits_keep_their_order():
    assert scores(torch.tensor([[100.0], [200.0]]), torch.tensor([[0.0], [1.0]]), ("A",))["mean_auroc"] == 1


@pytest.mark.byhand
def test_a_softmax_is_ranked_by_its_probabilities_and_not_by_its_logits():
    logits, labels = torch.tensor([[5.0, 9.0], [1.0, 0.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert scores(logits, labels, ("A", "B"), exclusive=True)["findings"]["A"]["auroc"] == 1
    assert scores(logits, labels, ("A", "B"))["findings"]["A"]["auroc"] == 0
