"""AUROC and average precision of a classifier, from its predictions for the held-out images."""

import logging
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from scipy.special import expit

from locus.benchmark.evaluation.cell import Scored, result_fields
from locus.benchmark.maps.cases import CaseStore
from locus.benchmark.records import Score
from locus.benchmark.training import metrics
from locus.scoring.protocols.base import Result

log = logging.getLogger(__name__)
METRICS = ("auroc", "ap")


def score_classifier(store: CaseStore) -> Scored:
    """Score the predictions of the classifier on the held-out images: AUROC and average precision."""
    held_out = store.predictions[store.predictions["split"] == "test"]
    labels = _columns(held_out, "label", store.findings)
    logits = _columns(held_out, "logit", store.findings)
    is_softmax = store.exclusive or np.allclose(expit(logits).sum(1), 1, atol=1e-4)
    if len(store.findings) > 1 and not is_softmax and (labels.sum(axis=1) == 1).all():
        log.warning(
            "each image has exactly one finding: after training by cross-entropy, use outputs=softmax"
        )
    return result_fields(classification(held_out, store.findings, store.exclusive), "none"), []


def classification(table: pd.DataFrame, findings: Sequence[str], exclusive: bool = False) -> Result:
    """Return AUROC and average precision per finding and their mean, from held-out predictions.

    ``auroc`` and ``ap`` cover all held-out images; ``auroc@boxed`` and ``ap@boxed`` cover those with a truth box, on
    which maps are scored. They can differ a lot if boxed images come from another source.

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
        logits = torch.tensor(_columns(rows, "logit", findings).to_numpy(dtype="float64"))
        labels = torch.tensor(_columns(rows, "label", findings).to_numpy(dtype="float64"))
        measured = metrics.scores(logits, labels, tuple(findings), exclusive)
        for metric in METRICS:
            scores += _scores(metric, metric + suffix, measured)
    return Result(scores=scores, rows=[])


def _columns(table: pd.DataFrame, kind: str, findings: Sequence[str]) -> pd.DataFrame:
    """Return the columns ``label_F`` or ``logit_F`` of all findings."""
    return table[[f"{kind}_{finding}" for finding in findings]]


def _scores(metric: str, name: str, measured: metrics.Scores) -> list[Score]:
    """Return a metric by finding and its mean, under its ``name`` in the record."""
    scores = []
    undefined = []
    for finding, row in measured["findings"].items():
        if math.isnan(row[metric]):
            undefined.append(finding)
            reason = f"{row['positives']} of {row['n']} images are positive: one class only"
            scores.append(Score(finding, name, None, n=row["n"], reason=reason))
        else:
            scores.append(Score(finding, name, row[metric], n=row["n"]))
    mean = measured[f"mean_{metric}"]
    reason = f"without {', '.join(undefined)}: one class only" if undefined else ""
    scores.append(
        Score("mean", name, None if math.isnan(mean) else mean, n=measured["n"], reason=reason)
    )
    return scores
