"""The classifier's own record: AUROC and average precision on the held-out images that its maps are judged on.

``auroc`` and ``ap`` are over all held-out images; ``auroc@boxed`` and ``ap@boxed`` over those with any truth box, the
images of the localization cases. The two can differ much when boxed images come from another source.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmark.protocols.base import Result
from benchmark.records import Score

METRICS: dict[str, Callable[..., float]] = {"auroc": roc_auc_score, "ap": average_precision_score}


def classification(table: pd.DataFrame, findings: Sequence[str]) -> Result:
    """Scores per finding and mean from held-out predictions: columns ``boxed``, ``label_F`` and ``logit_F`` per finding."""
    populations = {"": table, "@boxed": table[table["boxed"] == 1]}
    scores = []
    for metric, function in METRICS.items():
        for suffix, rows in populations.items():
            own = [_score(function, metric + suffix, rows, finding) for finding in findings]
            scores += [*own, _mean(own)]
    return Result(scores=scores, rows=[])


def _score(function: Callable[..., float], metric: str, rows: pd.DataFrame, finding: str) -> Score:
    label: NDArray[np.float64] = rows[f"label_{finding}"].to_numpy(dtype=np.float64)
    known = np.isfinite(label)
    label, logit = label[known], rows[f"logit_{finding}"].to_numpy(dtype=np.float64)[known]
    n, positives = len(label), int(label.sum())
    if positives in (0, n):
        return Score(finding=finding, metric=metric, n=n, reason=f"{positives} of {n} images are positive: one class only")
    return Score(finding=finding, metric=metric, value=float(function(label, logit)), n=n)


def _mean(own: Sequence[Score]) -> Score:
    values = [score.value for score in own if score.value is not None]
    n = max((score.n for score in own), default=0)
    if not values:
        return Score(finding="mean", metric=own[0].metric, n=n, reason="no finding has both classes")
    left_out = [score.finding for score in own if score.value is None]
    reason = f"without {', '.join(left_out)}: one class only" if left_out else ""
    return Score(finding="mean", metric=own[0].metric, value=float(np.mean(values)), n=n, reason=reason)
