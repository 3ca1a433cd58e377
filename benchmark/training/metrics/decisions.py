"""Decisions at a threshold, as sums per patient: each metric is a ratio of counts."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import confusion_matrix

from benchmark.statistics.patients import Sums
from benchmark.training.metrics.predictions import Predictions

METRICS = ("sensitivity", "specificity", "ppv", "npv", "f1", "accuracy")
WORDS = {
    False: {name: name for name in METRICS},
    True: {"sensitivity": "recall", "ppv": "precision", "f1": "f1", "accuracy": "accuracy"},
}
"""What they are called of findings by themselves, and of classes that exclude each other."""
REASONS = {
    "sensitivity": "no image is positive",
    "specificity": "no image is negative",
    "ppv": "no image is called positive",
    "npv": "no image is called negative",
    "f1": "no image is positive or called so",
    "accuracy": "no label is known",
}
"""Why there is nothing to divide by."""
BoolArray = NDArray[np.bool_]
Decisions = tuple[BoolArray, BoolArray, BoolArray]
Columns = tuple[NDArray[Any], NDArray[Any]]


def decided(predictions: Predictions, thresholds: ArrayLike) -> Decisions:
    """(n,K) each: called positive, positive, and whether both are known.

    A logit at its threshold is positive; a nan threshold calls nothing. Of exclusive classes the likeliest is called,
    and an image without exactly one class is not known.
    """
    if predictions.exclusive:
        index = np.arange(len(predictions.findings))
        called, true = (one[:, None] == index for one in (predictions.ranked.argmax(1).numpy(), predictions.classes))
        return called, true, np.broadcast_to(predictions.classes[:, None] >= 0, true.shape)
    at, labels = np.asarray(thresholds, dtype=np.float64), predictions.labels.numpy()
    return predictions.ranked.numpy() >= at, labels == 1, ~np.isnan(labels) & ~np.isnan(at)


def per_finding(called: BoolArray, true: BoolArray, known: BoolArray) -> Columns:
    """(n,K) -> (n,K,6) what counts for each of ``METRICS``, and what it is counted against."""
    right, clear = called & true, ~called & ~true
    part = (right, clear, right, clear, 2 * right, called == true)
    whole = (true, ~true, called, ~called, called.astype(int) + true, np.ones_like(true))
    return np.stack(part, -1) * known[..., None], np.stack(whole, -1) * known[..., None]


def per_image(called: BoolArray, true: BoolArray, known: BoolArray) -> Columns:
    """(n,K) -> (n,1,2) Hamming loss (wrong ones of the known labels) and exact match (images with every label right).

    A finding without any decision has no say, and an image counts as a match only where all the others are known.
    """
    some = known.any(0)
    judged = known[:, some].all(1) & some.any()
    wrong = (called != true) & known
    part, whole = (wrong.sum(1), judged & ~wrong.any(1)), (known.sum(1), judged)
    return np.stack(part, -1)[:, None], np.stack(whole, -1)[:, None]


def summed(columns: Columns, predictions: Predictions) -> Sums:
    """(n,F,M) columns -> (P,F,M) sums by patient."""
    sums = np.zeros((2, predictions.persons, *columns[0].shape[1:]))
    for side, values in zip(sums, columns, strict=True):
        np.add.at(side, predictions.person, values)
    return Sums(*sums)


def matrix(predictions: Predictions) -> NDArray[np.int64]:
    """(K,K) images by true class (rows) and likeliest class (columns), of those whose class is known."""
    known = predictions.classes >= 0
    if not known.any():
        return np.zeros((len(predictions.findings),) * 2, dtype=np.int64)
    called, count = predictions.ranked.argmax(1).numpy()[known], len(predictions.findings)
    return confusion_matrix(predictions.classes[known], called, labels=range(count))
