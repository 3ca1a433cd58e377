"""Metrics of decisions: published confusion matrices by hand, and equality with scikit-learn and torchmetrics."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics
from torchmetrics.functional.classification import binary_specificity, multilabel_exact_match, multilabel_hamming_distance

from locus.benchmark.training import metrics
from locus.benchmark.training.metrics import Predictions, assess

CLASSES = ("COVID-19", "Lung Opacity", "Normal", "Viral Pneumonia")
PUBLISHED = {
    "VGG-16": [[59, 0, 0, 1], [0, 53, 7, 0], [0, 2, 58, 0], [0, 1, 0, 59]],
    "ResNet-18": [[58, 0, 1, 1], [1, 52, 7, 0], [0, 0, 60, 0], [0, 0, 0, 60]],
    "DenseNet-121": [[59, 1, 0, 0], [0, 55, 5, 0], [0, 3, 57, 0], [0, 0, 1, 59]],
}


def of_matrix(matrix):
    """Predictions of a softmax with this confusion matrix, one patient each."""
    pairs = [(t, s) for t, row in enumerate(matrix) for s, count in enumerate(row) for _ in range(count)]
    true, text = (torch.tensor(side) for side in zip(*pairs, strict=True))
    width = len(matrix)
    logits, labels = 3.0 * torch.nn.functional.one_hot(text, width), torch.nn.functional.one_hot(true, width)
    return Predictions(CLASSES, logits.double(), labels.float(), [str(i) for i in range(len(pairs))], exclusive=True)


@pytest.mark.byhand
@pytest.mark.parametrize("network", PUBLISHED)
def test_the_published_confusion_matrices_give_the_numbers_worked_by_hand(network):
    """Pitfall: precision and recall swapped, published wrong. There are 60 images of each class."""
    predictions, matrix = of_matrix(PUBLISHED[network]), np.array(PUBLISHED[network])
    right, called = matrix.diagonal(), matrix.sum(0)
    worked = {"precision": right / called, "recall": right / 60, "f1": 2 * right / (called + 60)}
    result = assess(predictions, predictions)["test"]
    assert result["confusion_matrix"] == PUBLISHED[network]
    assert result["accuracy"] == {"VGG-16": 229 / 240, "ResNet-18": 230 / 240, "DenseNet-121": 230 / 240}[network]
    for metric, values in {**worked, "accuracy": (180 - called + 2 * right) / 240}.items():
        assert [result["findings"][name][metric] for name in CLASSES] == pytest.approx(values.tolist(), abs=1e-12)
        assert result[f"mean_{metric}"] == pytest.approx(np.mean(values))
        low, high = result["intervals"][f"mean_{metric}"]
        assert low <= result[f"mean_{metric}"] <= high
    if network == "VGG-16":  # it never calls another image COVID-19, and misses one
        row = result["findings"]["COVID-19"]
        assert [row[name] for name in ("precision", "recall", "f1", "accuracy")] == [1, 59 / 60, 118 / 119, 239 / 240]


@pytest.mark.byhand
def test_an_image_without_exactly_one_class_is_in_no_confusion_matrix():
    labels = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0.0, float("nan")], [0.0, 1.0]])
    predictions = Predictions(("A", "B"), torch.tensor([[1.0, 0.0]] * 5).double(), labels, list("abcde"), exclusive=True)
    result = assess(predictions, predictions)["test"]
    assert result["confusion_matrix"] == [[1, 0], [1, 0]]
    assert (result["accuracy"], result["judged"], result["n"]) == (0.5, 2, 5)


def cases(draw):
    """(n,K) scores with ties, labels with unknown ones, thresholds."""
    n, k = draw(st.integers(2, 30)), draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    labels = np.where(random.random((n, k)) < draw(st.sampled_from([0.0, 0.2])), np.nan, random.integers(0, 2, (n, k)))
    return random.integers(-3, 4, (n, k)) / 2, labels, random.integers(-3, 4, k) / 2


@pytest.mark.oracle
@settings(max_examples=60, deadline=None)
@given(st.composite(cases)())
def test_decisions_equal_scikit_learn_and_torchmetrics(case):
    values, labels, cuts = case
    names = tuple(f"f{k}" for k in range(values.shape[1]))
    predictions = Predictions(names, torch.tensor(values), torch.tensor(labels), [str(i) for i in range(len(values))])
    called = metrics.decide(predictions, cuts)
    sums = metrics.sum_by_patient(metrics.per_finding(*called), predictions)
    for k in range(len(names)):
        labelled = ~np.isnan(labels[:, k])
        text, true = values[labelled, k] >= cuts[k], labels[labelled, k] == 1
        ours = dict(zip(metrics.DECISIONS, sums.value[k], strict=True))
        if not labelled.any():
            assert np.isnan(list(ours.values())).all()
            continue
        nan = {"zero_division": np.nan}
        assert ours["sensitivity"] == pytest.approx(sklearn_metrics.recall_score(true, text, **nan), nan_ok=True)
        assert ours["ppv"] == pytest.approx(sklearn_metrics.precision_score(true, text, **nan), nan_ok=True)
        assert ours["npv"] == pytest.approx(sklearn_metrics.precision_score(~true, ~text, **nan), nan_ok=True)
        assert ours["f1"] == pytest.approx(sklearn_metrics.f1_score(true, text, **nan), nan_ok=True)
        assert ours["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(true, text))
        if (~true).any():
            assert ours["specificity"] == pytest.approx(float(binary_specificity(*(torch.tensor(x).int() for x in (text, true)))))
    if not np.isnan(labels).any() and len(names) > 1:
        whole = metrics.sum_by_patient(metrics.per_image(*called), predictions).value[0]
        text, true = torch.tensor(called[0]).int(), torch.tensor(called[1]).int()
        assert whole[0] == pytest.approx(float(multilabel_hamming_distance(text, true, len(names), average="micro")), abs=1e-6)
        assert whole[1] == pytest.approx(float(multilabel_exact_match(text, true, len(names))))


@pytest.mark.byhand
def test_zero_denominator_gives_nan():
    predictions = Predictions(("A",), torch.tensor([[-1.0], [-2.0]]).double(), torch.tensor([[0.0], [0.0]]), ["p", "q"])
    called = metrics.decide(predictions, [0.0])
    value = dict(zip(metrics.DECISIONS, metrics.sum_by_patient(metrics.per_finding(*called), predictions).value[0], strict=True))
    assert {name for name, number in value.items() if np.isnan(number)} == {"sensitivity", "ppv", "f1"}
    assert value["npv"] == value["specificity"] == value["accuracy"] == 1


@pytest.mark.byhand
def test_an_image_with_an_unknown_label_is_neither_a_match_nor_none():
    labels = torch.tensor([[1.0, float("nan")], [1.0, 0.0], [0.0, 0.0]])
    predictions = Predictions(("A", "B"), torch.tensor([[1.0, -1.0]] * 3).double(), labels, list("abc"))
    sums = metrics.sum_by_patient(metrics.per_image(*metrics.decide(predictions, [0.0, 0.0])), predictions)
    assert sums.value[0].tolist() == [1 / 5, 1 / 2]
    without_b = metrics.sum_by_patient(metrics.per_image(*metrics.decide(predictions, [0.0, np.nan])), predictions)
    assert without_b.value[0].tolist() == [1 / 3, 2 / 3]
