"""The record of the classifier: AUROC and average precision on the held-out images.

``auroc`` and ``ap`` cover all held-out images; ``auroc@boxed`` and ``ap@boxed`` cover those with a truth box, on which
maps are scored. They can differ a lot if boxed images come from another source.
"""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch

from benchmark.records import Score
from benchmark.scoring.protocols.base import Result
from benchmark.training import metrics

METRICS = ("auroc", "ap")


def classification(table: pd.DataFrame, findings: Sequence[str], exclusive: bool = False) -> Result:
    """Return the scores per finding and their mean, from held-out predictions.

    ``table`` has a row per image: ``label_F`` (0, 1 or nan) and ``logit_F`` per finding F, and ``boxed`` (0 or 1). A
    finding with only one class has no score and is excluded from the mean. ``exclusive``: one finding per image
    (softmax).

    >>> table = pd.DataFrame({"label_mass": [0, 1, 1], "logit_mass": [-1.0, 2.0, -2.0], "boxed": [0, 1, 1]})
    >>> [(score.metric, score.finding, score.value) for score in classification(table, ["mass"]).scores][:2]
    [('auroc', 'mass', 0.5), ('auroc', 'mean', 0.5)]
    """
    populations = {"": table, "@boxed": table[table["boxed"] == 1]}
    scores = []
    for suffix, rows in populations.items():
        columns = (rows[[f"{kind}_{finding}" for finding in findings]] for kind in ("logit", "label"))
        logits, labels = (torch.from_numpy(column.to_numpy(dtype="float64").copy()) for column in columns)
        measured = metrics.scores(logits, labels, tuple(findings), exclusive)
        scores += [score for metric in METRICS for score in _scores(metric, metric + suffix, measured)]
    return Result(scores=scores, rows=[])


def _scores(metric: str, word: str, measured: metrics.Scores) -> list[Score]:
    per_finding = [_score(word, finding, row[metric], row) for finding, row in measured["findings"].items()]
    left_out = [score.finding for score in per_finding if score.value is None]
    reason = f"without {', '.join(left_out)}: one class only" if left_out else ""
    value = _defined(measured[f"mean_{metric}"])
    return [*per_finding, Score(finding="mean", metric=word, value=value, n=measured["n"], reason=reason)]


def _score(word: str, finding: str, value: float, row: dict[str, Any]) -> Score:
    reason = f"{row['positives']} of {row['n']} images are positive: one class only" if math.isnan(value) else ""
    return Score(finding=finding, metric=word, value=_defined(value), n=row["n"], reason=reason)


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
