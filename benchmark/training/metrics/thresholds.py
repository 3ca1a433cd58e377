"""Where "positive" begins: one logit per finding, chosen on the validation images and stated with its origin."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import roc_curve
from torch import Tensor

from benchmark.records.record import Origin
from benchmark.training.metrics.answers import Answers
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
        stated = {
            "logit": self.logit,
            "probability": float(expit(self.logit)),
            "origin": self.origin,
            "choice": self.choice,
        }
        return {**stated, "n": self.n, **({"reason": self.reason} if self.reason else {})}


def choose(answers: Answers, choice: Choice = "youden") -> list[Threshold]:
    """One threshold per finding from the validation's ``answers``.

    ``fixed`` is a probability of .5 and looks at nothing.
    """
    if choice == "fixed":
        return [Threshold(0.0, "fixed", choice, 0) for _ in answers.findings]
    return [_chosen(answers.ranked[:, k], answers.labels[:, k], choice) for k in range(len(answers.findings))]


def _chosen(values: Tensor, labels: Tensor, choice: Choice) -> Threshold:
    known = ~labels.isnan()
    n, positives = int(known.sum()), int((labels == 1).sum())
    if positives in (0, n):
        reason = f"{positives} of {n} validation images are positive: no threshold can be chosen"
        return Threshold(np.nan, "validation", choice, n, reason)
    found = best(values[known].double().numpy(), labels[known].numpy() == 1, GAINS[choice])
    return Threshold(found, "validation", choice, n)


def youden(true: FloatArray, false: FloatArray, positives: int, negatives: int) -> FloatArray:
    """J = TPR - FPR of counts of true and false positives.

    Youden, "Index for rating diagnostic tests", Cancer 3 (1950).
    """
    return (true * negatives - false * positives) / (
        positives * negatives
    )  # one division: equal shares are equal numbers


def f1(true: FloatArray, false: FloatArray, positives: int, _: int) -> FloatArray:
    """2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall."""
    return 2 * true / (true + false + positives)


GAINS: dict[str, Callable[[FloatArray, FloatArray, int, int], FloatArray]] = {"youden": youden, "f1": f1}


def best(
    values: FloatArray, truth: NDArray[np.bool_], gain: Callable[[FloatArray, FloatArray, int, int], FloatArray]
) -> float:
    """(n,) scores and truth with both classes -> the score with the largest ``gain``, the highest on ties.

    >>> best(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]), youden)
    0.8
    """
    false, true, levels = (
        side[1:] for side in roc_curve(truth, values, drop_intermediate=False)
    )  # the first calls nothing positive
    positives, negatives = int(truth.sum()), int((~truth).sum())
    return float(levels[gain((true * positives).round(), (false * negatives).round(), positives, negatives).argmax()])
