"""How well a classifier ranks images: AUROC and average precision per finding and their mean, unknown labels masked."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.training.metrics.walk import areas, descending

Scores = dict[str, Any]
ALL_ONCE = np.ones((1, 1), np.uint8)
"""One resample, in which every image stands once."""


def scores(logits: Tensor, labels: Tensor, findings: tuple[str, ...], exclusive: bool = False) -> Scores:
    """(N,K) logits and labels (nan unknown) -> ``{"mean_auroc", "mean_ap", "n", "findings": {finding: …}}``.

    A finding without both classes has nan and its n; the mean is over the findings that have both (nan without any).
    ``exclusive``: softmax probabilities, one class against the rest, else each logit by itself.
    """
    ranked = logits.double().log_softmax(1) if exclusive else logits.double()
    each = {name: _finding(ranked[:, k], labels[:, k]) for k, name in enumerate(findings)}
    mean = {f"mean_{metric}": _mean([row[metric] for row in each.values()]) for metric in ("auroc", "ap")}
    return {**mean, "n": len(logits), "findings": each}


def _finding(values: Tensor, labels: Tensor) -> dict[str, float]:
    known = ~labels.isnan()
    truth = labels[known].numpy() == 1
    order, positive, closes = descending(values[known].numpy(), truth)
    ((auroc, ap),) = areas(np.zeros_like(order), positive, closes, ALL_ONCE)  # nan where a class is missing
    return {"auroc": float(auroc), "ap": float(ap), "n": len(truth), "positives": int(truth.sum())}


def _mean(values: list[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return float(torch.tensor(defined, dtype=torch.float64).mean()) if defined else math.nan
