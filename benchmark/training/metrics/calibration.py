"""Calibration of probabilities: temperature scaling, calibration error and Brier score.

Guo et al., "On calibration of modern neural networks", ICML 2017: logits are divided by one temperature, fitted on the
validation images. The order of images does not change, nor do AUROC and decisions at a threshold.
"""

from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

from benchmark.training.metrics.decisions import BoolArray, Columns, decide
from benchmark.training.metrics.predictions import Predictions
from core.types import FloatArray

BINS = 15
"""Number of equal bins of [0, 1] for the calibration error."""
TEMPERATURE_RANGE = (0.01, 100.0)
"""Range of the search."""


def fit(predictions: Predictions) -> dict[str, Any]:
    """Return the temperature that minimises the negative log-likelihood of the validation ``predictions``.

    It is the ``value`` of this entry of metrics.json; nan without known labels. ``n`` is the number of labels (for a
    softmax: images with a known class), ``nll`` and ``nll_scaled`` the mean loss on them before and after. The loss is
    convex in 1/T, so it has one minimum; ``reason`` is set if it is at an end of ``TEMPERATURE_RANGE``.
    """
    entry = {"value": np.nan, "origin": "validation", "n": 0, "nll": np.nan, "nll_scaled": np.nan}
    n = int((predictions.classes >= 0).sum()) if predictions.exclusive else int((~predictions.labels.isnan()).sum())
    if not n:
        return {**entry, "reason": "no validation label is known"}
    ends = np.log(TEMPERATURE_RANGE)
    how: dict[str, Any] = {"method": "bounded", "options": {"xatol": 1e-7}}
    best = minimize_scalar(lambda power: _loss(predictions, np.exp(power)), bounds=ends, **how)
    entry |= {"value": float(np.exp(best.x)), "n": n, "nll": _loss(predictions, 1.0), "nll_scaled": float(best.fun)}
    if min(abs(best.x - ends)) < 1e-3:
        low, high = TEMPERATURE_RANGE
        entry["reason"] = f"the likelihood has no maximum between {low:g} and {high:g}"
    return entry


def expected_calibration_errors(predictions: Predictions, temperature: float) -> list[float]:
    """Return the expected calibration error of each of K findings; nan without known labels or temperature.

    It is the mean of |frequency - mean probability| over ``BINS``, weighted by images.
    """
    probability, true, known = _sides(predictions, temperature)
    return [_error(probability[known[:, k], k], true[known[:, k], k]) for k in range(probability.shape[1])]


def top_class_calibration_error(predictions: Predictions, temperature: float) -> float:
    """Return the expected calibration error of the likeliest class of a softmax."""
    known = predictions.classes >= 0
    if not known.any() or np.isnan(temperature):
        return np.nan
    probability = torch.from_numpy(predictions.probabilities(temperature)[known])
    true, classes = torch.from_numpy(predictions.classes[known]), probability.shape[1]
    return float(multiclass_calibration_error(probability, true, num_classes=classes, n_bins=BINS, norm="l1"))


def brier_terms(predictions: Predictions, temperature: float) -> Columns:
    """Return the (n,K,1) terms and weights of the Brier score; unknown terms have weight 0."""
    probability, true, known = _sides(predictions, temperature)
    return np.where(known, (probability - true) ** 2, 0.0)[..., None], known[..., None].astype(int)


def _sides(predictions: Predictions, temperature: float) -> tuple[FloatArray, BoolArray, BoolArray]:
    """Return (n,K) probability, truth, and whether both are known."""
    _, true, known = decide(predictions, np.zeros(len(predictions.findings)))
    return predictions.probabilities(temperature), true, known & ~np.isnan(temperature)


def _error(probability: FloatArray, true: BoolArray) -> float:
    if not len(probability):
        return np.nan
    truth = torch.from_numpy(true).long()
    return float(binary_calibration_error(torch.from_numpy(probability), truth, n_bins=BINS, norm="l1"))


def _loss(predictions: Predictions, temperature: float) -> float:
    """Return the mean negative log-likelihood of the known labels."""
    scaled = predictions.logits.double() / temperature
    if predictions.exclusive:
        known = torch.from_numpy(predictions.classes >= 0)
        return float(cross_entropy(scaled[known], torch.from_numpy(predictions.classes)[known]))
    known = ~predictions.labels.isnan()
    return float(binary_cross_entropy_with_logits(scaled[known], predictions.labels[known].double()))
