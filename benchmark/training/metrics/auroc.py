"""How well a classifier ranks images: AUROC and average precision per finding and their mean, unknown labels masked."""

import math
from typing import Any

import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_auroc, binary_average_precision

Scores = dict[str, Any]


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
    values, truth = _ranks(values[known]), labels[known].long()
    positives, n = int(truth.sum()), len(truth)
    if positives in (0, n):
        return {"auroc": math.nan, "ap": math.nan, "n": n, "positives": positives}
    auroc, ap = float(binary_auroc(values, truth)), float(binary_average_precision(values, truth))
    return {"auroc": auroc, "ap": ap, "n": n, "positives": positives}


def _ranks(values: Tensor) -> Tensor:
    """(n,) -> (n,) in [0,1] in the same order with the same ties: a sigmoid would tie all large logits."""
    places = torch.unique(values, return_inverse=True)[1]
    return places.double() / max(len(values), 1)


def _mean(values: list[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return float(torch.tensor(defined, dtype=torch.float64).mean()) if defined else math.nan
