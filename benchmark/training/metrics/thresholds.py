"""Where "positive" begins: one logit per finding, chosen on the validation images and stated with its origin."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import roc_curve
from torch import Tensor

from benchmark.records.score import Origin
from benchmark.training.metrics.predictions import Predictions
from core.types import FloatArray

Choice = Literal["youden", "f1", "fixed"]


@dataclass(frozen=True)
class Threshold:
    """A finding is called present where its logit is at or above ``logit``."""

    logit: float
    """nan where none could be chosen."""
    origin: Origin
    choice: Choice
    n: int
    """Images with a known label that it was chosen on; 0 where it is fixed."""
    reason: str = ""

    @property
    def row(self) -> dict[str, Any]:
        """What metrics.json says of it."""
        stated = {"logit": self.logit, "probability": float(expit(self.logit))}
        reason = {"reason": self.reason} if self.reason else {}
        return {**stated, "origin": self.origin, "choice": self.choice, "n": self.n, **reason}


def choose(predictions: Predictions, choice: Choice = "youden") -> list[Threshold]:
    """One threshold per finding from the validation's ``predictions``; ``fixed`` is always a probability of .5."""
    if choice == "fixed":
        return [Threshold(0.0, "fixed", choice, 0) for _ in predictions.findings]
    columns = zip(predictions.ranked.T, predictions.labels.T, strict=True)
    return [_chosen(values, labels, choice) for values, labels in columns]


def _chosen(values: Tensor, labels: Tensor, choice: Choice) -> Threshold:
    known = ~labels.isnan()
    n, positives = int(known.sum()), int((labels == 1).sum())
    if positives in (0, n):
        reason = f"{positives} of {n} validation images are positive: no threshold can be chosen"
        return Threshold(np.nan, "validation", choice, n, reason)
    logit = best(values[known].double().numpy(), labels[known].numpy() == 1, GAINS[choice])
    return Threshold(logit, "validation", choice, n)


def youden(true: FloatArray, false: FloatArray, positives: int, negatives: int) -> FloatArray:
    """J = TPR - FPR of counts of true and false positives.

    Youden, "Index for rating diagnostic tests", Cancer 3 (1950).
    """
    # one division: equal shares are equal numbers
    return (true * negatives - false * positives) / (positives * negatives)


def f1(true: FloatArray, false: FloatArray, positives: int, _: int) -> FloatArray:
    """2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall."""
    return 2 * true / (true + false + positives)


Gain = Callable[[FloatArray, FloatArray, int, int], FloatArray]
GAINS: dict[str, Gain] = {"youden": youden, "f1": f1}


def best(values: FloatArray, truth: NDArray[np.bool_], gain: Gain) -> float:
    """(n,) scores and truth with both classes -> the score with the largest ``gain``, the highest on ties.

    >>> best(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]), youden)
    0.8
    """
    # the first of each calls nothing positive
    false, true, levels = (rates[1:] for rates in roc_curve(truth, values, drop_intermediate=False))
    positives, negatives = int(truth.sum()), int((~truth).sum())
    return float(levels[gain((true * positives).round(), (false * negatives).round(), positives, negatives).argmax()])
