"""Subgroups: scores within groups of cases, by size, view, sex, age and two more variables.

==================  ========================  =========================================================================
size                small, medium, large      largest truth box, share of the image: below .025, .08, above
view                AP, PA … (as published)   ``Sample.meta["view"]``
sex                 F, M … (as published)     ``Sample.meta["sex"]``
age                 0-17, 18-39, 40-59, 60+   ``Sample.meta["age"]`` in years
co_occurrence       single, co-occurring      number of findings of the task in the image, by label or truth box
classifier_correct  wrong, right              right if the classifier's logit of the finding reaches its cut-off
==================  ========================  =========================================================================

The cut-off maximises Youden's J on the validation images of the training run that explains the test image. Without a
cut-off ``classifier_correct`` is unknown. Cases with an unknown value are in no group.

Groups have different findings (nodules are small, enlarged hearts are large), so compare them within a finding.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import log_softmax
from sklearn.metrics import roc_curve

from locus.benchmark.records.record import Subgroup
from locus.benchmark.scoring.statistics import summary
from locus.benchmark.scoring.statistics.resample import CaseIndex
from locus.benchmark.scoring.statistics.summary import Column, Estimate, estimate
from locus.core.frames import area
from locus.core.names import MAIN, MEAN_PREFIX
from locus.core.scores import ThresholdSource
from locus.core.types import FloatArray, Sample

CaseLabels = Mapping[tuple[str, str], str]
"""(image, finding) -> group of a case, without cases of unknown group."""
METRICS = (MAIN, "pointing")
"""Columns of ``single_box``'s rows that are scored within groups; only the main one by finding."""
MIN_PER_CLASS = 5
"""Smallest number of positives, and of negatives, for a cut-off."""


def without_classifier(samples: Sequence[Sample], findings: Sequence[str]) -> dict[str, dict[tuple[str, str], str]]:
    """Return the groups of ``group_labels`` that do not need a classifier."""
    columns = ["training", "split", "image", *(f"{kind}_{name}" for name in findings for kind in ("label", "logit"))]
    return group_labels(samples, pd.DataFrame(columns=columns), findings)


def group_labels(
    samples: Sequence[Sample], predictions: pd.DataFrame, findings: Sequence[str], exclusive: bool = False
) -> dict[str, dict[tuple[str, str], str]]:
    """Return variable -> (image, finding) -> group of every case with truth; variables without values are left out.

    Args:
        samples: the scored images.
        predictions: predictions of all training runs for validation and test images: columns ``training``, ``split``,
            ``image``, and ``label_F`` and ``logit_F`` per finding F.
        findings: the findings in the order of the labels.
        exclusive: True if each image has exactly one finding.
    """
    cases = [(sample, finding) for sample in samples for finding in findings if finding in sample.boxes]
    keys, metas = [(sample.image_id, finding) for sample, finding in cases], [sample.meta for sample, _ in cases]
    correct = answers(predictions, findings, exclusive)
    number = {sample.image_id: _number_of_findings(sample, findings) for sample in samples}
    values = {
        "size": summary.size([area(sample.boxes[finding]).max() / np.prod(sample.frame) for sample, finding in cases]),
        "view": summary.metadata_groups(metas, "view"),
        "sex": summary.metadata_groups(metas, "sex"),
        "age": summary.age(np.array([meta.get("age") for meta in metas], dtype=np.float64)),
        "co_occurrence": summary.co_occurrence([number[image] for image, _ in keys]),
        "classifier_correct": np.array([correct.get(key, "") for key in keys], dtype=str),
    }
    return {
        name: {key: str(word) for key, word in zip(keys, words, strict=True) if word}
        for name, words in values.items()
        if (words != "").any()
    }


def answers(predictions: pd.DataFrame, findings: Sequence[str], exclusive: bool = False) -> dict[tuple[str, str], str]:
    """Return (image, finding) -> right or wrong for every test image, if it shows the finding; "" if unknown."""
    test, needed = predictions[predictions["split"] == "test"], cut_offs(predictions, findings, exclusive)
    verdicts: dict[tuple[str, str], str] = {}
    for finding, values in zip(findings, _outputs(test, findings, exclusive).T, strict=True):
        words = summary.prediction_correctness(values, test["training"].map(needed[finding]))
        verdicts |= {(image, finding): str(word) for image, word in zip(test["image"], words, strict=True)}
    return verdicts


def cut_offs(
    predictions: pd.DataFrame, findings: Sequence[str], exclusive: bool = False
) -> dict[str, dict[int, float]]:
    """Return finding -> training run -> cut-off, chosen on the run's validation rows; undefined ones are left out.

    Cut-offs are logits, or logarithms of the softmax if classes are ``exclusive``.
    """
    chosen = {finding: dict[int, float]() for finding in findings}
    validation = predictions[predictions["split"] == "val"]
    for number in sorted(set(validation["training"].tolist())):
        rows = validation[validation["training"] == number]
        for finding, values in zip(findings, _outputs(rows, findings, exclusive).T, strict=True):
            value = youden_threshold(values, rows[f"label_{finding}"])
            if np.isfinite(value):
                chosen[finding][number] = value
    return chosen


def scores(
    rows: Sequence[Mapping[str, Any]],
    labels: Mapping[str, CaseLabels],
    findings: Sequence[str],
    seed: int = 0,
    source: ThresholdSource = "cross-fitted",
) -> tuple[Subgroup, ...]:
    """Score ``single_box``'s rows per group of ``labels``: ``hit@iou.3`` (findings and mean) and ``pointing`` (mean).

    ``source``: threshold source of the rows. All groups use the same patient resamples as the protocol's scores (same
    ``seed``). A finding without cases in a group has no score; scores of fewer than 10 patients have no interval.
    """
    values = {metric: np.array([hit_of(row, metric) for row in rows], dtype=np.float64) for metric in METRICS}
    sources: dict[str, ThresholdSource] = {MAIN: source, "pointing": "none"}
    columns = [Column(metric, sources[metric], column, np.ones(len(rows))) for metric, column in values.items()]
    parts = [(variable, group, mask) for variable, cases in labels.items() for group, mask in _masks(rows, cases)]
    if not parts:
        return ()
    inside = [summary.restrict(column, mask) for *_, mask in parts for column in columns]
    index = CaseIndex.of([row["finding"] for row in rows], [row["patient"] for row in rows])
    remaining = iter(estimate(inside, index, findings, seed))
    estimates = [list(itertools.islice(remaining, len(columns))) for _ in parts]
    return tuple(_subgroup(name, group, e, findings) for (name, group, _), e in zip(parts, estimates, strict=True))


def hit_of(row: Mapping[str, Any], metric: str) -> float:
    """Return the hit of a row per case, 0 or 1, or the mean over draws of the folds where a baseline has one."""
    return float(row.get(f"{MEAN_PREFIX}{metric}", row[metric]))


def _masks(rows: Sequence[Mapping[str, Any]], labels: CaseLabels) -> list[tuple[str, summary.Mask]]:
    group_of = np.array([labels.get((row["image"], row["finding"]), "") for row in rows], dtype=str)
    return list(summary.masks(group_of).items())


def _subgroup(variable: str, group: str, estimates: Sequence[Estimate], findings: Sequence[str]) -> Subgroup:
    scores_ = [score for score in summary.scores(estimates, findings) if score.n]
    reported = tuple(score for score in scores_ if score.metric == MAIN or score.finding == "mean")
    return Subgroup(variable=variable, group=group, scores=reported)


def _number_of_findings(sample: Sample, findings: Sequence[str]) -> float:
    """Return the number of findings in an image; nan if only one is possible, or if unknown labels may add more."""
    present = {*sample.boxes, *(finding for finding, label in zip(findings, sample.labels, strict=True) if label == 1)}
    unsure = len(findings) < 2 or (len(present) < 2 and bool(np.isnan(sample.labels).any()))
    return np.nan if unsure else len(present)


def _outputs(predictions: pd.DataFrame, findings: Sequence[str], exclusive: bool) -> FloatArray:
    """Return the classifier's outputs (N,K): logits, or the logarithm of the softmax for ``exclusive`` classes."""
    logits = predictions[[f"logit_{finding}" for finding in findings]].to_numpy(dtype=np.float64)
    return np.asarray(log_softmax(logits, axis=1)) if exclusive else logits


def youden_threshold(values: ArrayLike, labels: ArrayLike) -> float:
    """Return the cut-off with the largest TPR − FPR for outputs (N,) and labels (N,); the largest on ties.

    A label of nan is unknown. nan for fewer than 5 positives or 5 negatives, or if no value separates them better than
    chance. Youden, "Index for rating diagnostic tests", Cancer 3 (1950).

    >>> youden_threshold([-3, -2, -1, 0, 1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 0, 0, 1, 1, 1, 1])
    3.0
    """
    outputs, truth = np.asarray(values, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    is_known = np.isfinite(outputs) & np.isfinite(truth)
    if min((truth[is_known] == 1).sum(), (truth[is_known] == 0).sum()) < MIN_PER_CLASS:
        return np.nan
    fpr, tpr, thresholds = roc_curve(truth[is_known], outputs[is_known])
    gain = (tpr - fpr).round(12)  # ignore rounding between equal shares
    return float(thresholds[gain.argmax()]) if gain.max() > 0 else np.nan
