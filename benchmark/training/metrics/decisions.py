"""Decision thresholds, and metrics of decisions as ratios of counts per patient.

A threshold is a logit per finding, chosen on the validation images and stored with its origin.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.metrics import roc_curve
from torch import Tensor

from benchmark.scoring.statistics.patients import Sums
from benchmark.training.metrics.predictions import Predictions
from core.scores import Origin
from core.types import FloatArray

METRICS = ("sensitivity", "specificity", "ppv", "npv", "f1", "accuracy")
METRIC_NAMES = {
    False: {name: name for name in METRICS},
    True: {"sensitivity": "recall", "ppv": "precision", "f1": "f1", "accuracy": "accuracy"},
}
"""Names of the metrics for independent findings (False) and for exclusive classes (True)."""
REASONS = {
    "sensitivity": "no image is positive",
    "specificity": "no image is negative",
    "ppv": "no image is called positive",
    "npv": "no image is called negative",
    "f1": "no image is positive or called positive",
    "accuracy": "no label is known",
}
"""Metric -> reason why its denominator is 0."""
BoolArray = NDArray[np.bool_]
Decisions = tuple[BoolArray, BoolArray, BoolArray]
Columns = tuple[NDArray[Any], NDArray[Any]]
Choice = Literal["youden", "f1", "fixed"]


def choose(predictions: Predictions, choice: Choice = "youden") -> list[dict[str, Any]]:
    """Return a threshold per finding from the validation ``predictions``; ``fixed`` is a probability of .5.

    A finding is called present if its logit is at or above ``logit``, which is nan, with a ``reason``, if it could not
    be chosen. ``n`` is the number of images for the choice, with a known label. Each is an entry of metrics.json.
    """
    if choice == "fixed":
        return [_threshold(0.0, "fixed", choice, 0) for _ in predictions.findings]
    columns = zip(predictions.ranked.T, predictions.labels.T, strict=True)
    return [_chosen(values, labels, choice) for values, labels in columns]


def _chosen(values: Tensor, labels: Tensor, choice: Choice) -> dict[str, Any]:
    known = ~labels.isnan()
    n, positives = int(known.sum()), int((labels == 1).sum())
    if positives in (0, n):
        reason = f"{positives} of {n} validation images are positive: no threshold can be chosen"
        return {**_threshold(np.nan, "validation", choice, n), "reason": reason}
    logit = best_threshold(values[known].double().numpy(), labels[known].numpy() == 1, GAINS[choice])
    return _threshold(logit, "validation", choice, n)


def _threshold(logit: float, origin: Origin, choice: Choice, n: int) -> dict[str, Any]:
    return {"logit": logit, "probability": float(expit(logit)), "origin": origin, "choice": choice, "n": n}


def youden(tp: FloatArray, fp: FloatArray, positives: int, negatives: int) -> FloatArray:
    """Return J = TPR - FPR from counts of true and false positives.

    Youden, "Index for rating diagnostic tests", Cancer 3 (1950).
    """
    # one division, so that equal ratios are equal floats
    return (tp * negatives - fp * positives) / (positives * negatives)


def f1(tp: FloatArray, fp: FloatArray, positives: int, _: int) -> FloatArray:
    """Return 2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall."""
    return 2 * tp / (tp + fp + positives)


Gain = Callable[[FloatArray, FloatArray, int, int], FloatArray]
GAINS: dict[str, Gain] = {"youden": youden, "f1": f1}


def best_threshold(values: FloatArray, truth: BoolArray, gain: Gain) -> float:
    """Return the score with the largest ``gain``, the highest on ties, from (n,) scores and truth with both classes.

    >>> best_threshold(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]), youden)
    0.8
    """
    # the first threshold calls nothing positive
    fpr, tpr, thresholds = (rates[1:] for rates in roc_curve(truth, values, drop_intermediate=False))
    positives, negatives = int(truth.sum()), int((~truth).sum())
    gains = gain((tpr * positives).round(), (fpr * negatives).round(), positives, negatives)
    return float(thresholds[gains.argmax()])


def decide(predictions: Predictions, thresholds: ArrayLike) -> Decisions:
    """Return (n,K) decision, truth, and whether both are known.

    A logit at its threshold is positive; with a nan threshold the decision is unknown. For exclusive classes the
    decision is the likeliest class, and an image without exactly one class is unknown.
    """
    if predictions.exclusive:
        index = np.arange(len(predictions.findings))
        called, true = (one[:, None] == index for one in (predictions.ranked.argmax(1).numpy(), predictions.classes))
        return called, true, np.broadcast_to(predictions.classes[:, None] >= 0, true.shape)
    at, labels = np.asarray(thresholds, dtype=np.float64), predictions.labels.numpy()
    return predictions.ranked.numpy() >= at, labels == 1, ~np.isnan(labels) & ~np.isnan(at)


def per_finding(called: BoolArray, true: BoolArray, known: BoolArray) -> Columns:
    """Return the (n,K,6) terms of the numerators and denominators of ``METRICS`` from (n,K) decisions."""
    tp, tn = called & true, ~called & ~true
    part = (tp, tn, tp, tn, 2 * tp, called == true)
    whole = (true, ~true, called, ~called, called.astype(int) + true, np.ones_like(true))
    return np.stack(part, -1) * known[..., None], np.stack(whole, -1) * known[..., None]


def per_image(called: BoolArray, true: BoolArray, known: BoolArray) -> Columns:
    """Return the (n,1,2) terms of Hamming loss (wrong labels) and exact match (images with all labels right).

    A finding without any decision is ignored; an image is a match only if all its other labels are known.
    """
    some = known.any(0)
    judged = known[:, some].all(1) & some.any()
    wrong = (called != true) & known
    part, whole = (wrong.sum(1), judged & ~wrong.any(1)), (known.sum(1), judged)
    return np.stack(part, -1)[:, None], np.stack(whole, -1)[:, None]


def sum_by_patient(columns: Columns, predictions: Predictions) -> Sums:
    """Return the (P,F,M) sums by patient of (n,F,M) columns."""
    sums = np.zeros((2, predictions.n_patients, *columns[0].shape[1:]))
    for side, values in zip(sums, columns, strict=True):
        np.add.at(side, predictions.patient_index, values)
    return Sums(*sums)


def confusion_matrix(predictions: Predictions) -> NDArray[np.int64]:
    """Return the (K,K) counts of images by true class (rows) and likeliest class (columns)."""
    known, count = predictions.classes >= 0, len(predictions.findings)
    images = np.zeros((count, count), dtype=np.int64)
    np.add.at(images, (predictions.classes[known], predictions.ranked.argmax(1).numpy()[known]), 1)
    return images
