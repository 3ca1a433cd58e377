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
from locus.core.frames import area
from locus.core.names import MAIN, MEAN_PREFIX
from locus.core.scores import ThresholdSource
from locus.core.types import FloatArray, Sample
from locus.scoring.statistics import summary
from locus.scoring.statistics.resample import CaseIndex
from locus.scoring.statistics.summary import Column, FindingEstimates, estimate

CaseLabels = Mapping[tuple[str, str], str]
"""(image, finding) -> group of a case, without cases of unknown group."""
METRICS = (MAIN, "pointing")
"""Columns of ``single_box``'s rows that are scored within groups; only the main one by finding."""
MIN_PER_CLASS = 5
"""Smallest number of positives, and of negatives, for a cut-off."""


def without_classifier(
    samples: Sequence[Sample], findings: Sequence[str]
) -> dict[str, dict[tuple[str, str], str]]:
    """Return the groups of ``group_labels`` that do not need a classifier."""
    columns = ["training", "split", "image"]
    for finding in findings:
        columns += [f"label_{finding}", f"logit_{finding}"]
    return group_labels(samples, pd.DataFrame(columns=columns), findings)


def group_labels(
    samples: Sequence[Sample],
    predictions: pd.DataFrame,
    findings: Sequence[str],
    exclusive: bool = False,
) -> dict[str, dict[tuple[str, str], str]]:
    """Return variable -> (image, finding) -> group of every case with truth; variables without values are left out.

    Args:
        samples: the scored images.
        predictions: predictions of all training runs for validation and test images: columns ``training``, ``split``,
            ``image``, and ``label_F`` and ``logit_F`` per finding F.
        findings: the findings in the order of the labels.
        exclusive: True if each image has exactly one finding.
    """
    cases = [
        (sample, finding) for sample in samples for finding in findings if finding in sample.boxes
    ]
    keys = [(sample.image_id, finding) for sample, finding in cases]
    metas = [sample.meta for sample, _ in cases]
    shares = [
        area(sample.boxes[finding]).max() / np.prod(sample.frame) for sample, finding in cases
    ]
    finding_counts = {sample.image_id: _number_of_findings(sample, findings) for sample in samples}
    correctness = answers(predictions, findings, exclusive)
    ages = [meta.get("age") for meta in metas]
    findings_in_image = [finding_counts[image] for image, _ in keys]
    is_correct = [correctness.get(key, "") for key in keys]
    labels_of_cases = {
        "size": summary.size(shares),
        "view": summary.metadata_groups(metas, "view"),
        "sex": summary.metadata_groups(metas, "sex"),
        "age": summary.age(np.array(ages, dtype=np.float64)),
        "co_occurrence": summary.co_occurrence(findings_in_image),
        "classifier_correct": np.array(is_correct, dtype=str),
    }
    groups = {}
    for variable, labels in labels_of_cases.items():
        group_of = {key: str(label) for key, label in zip(keys, labels, strict=True) if label}
        if group_of:
            groups[variable] = group_of
    return groups


def answers(
    predictions: pd.DataFrame, findings: Sequence[str], exclusive: bool = False
) -> dict[tuple[str, str], str]:
    """Return (image, finding) -> right or wrong for every test image, if it shows the finding; "" if unknown."""
    test = predictions[predictions["split"] == "test"]
    cut_off_of = cut_offs(predictions, findings, exclusive)
    verdicts: dict[tuple[str, str], str] = {}
    for finding, outputs in zip(findings, _outputs(test, findings, exclusive).T, strict=True):
        labels = summary.prediction_correctness(outputs, test["training"].map(cut_off_of[finding]))
        for image, label in zip(test["image"], labels, strict=True):
            verdicts[image, finding] = str(label)
    return verdicts


def cut_offs(
    predictions: pd.DataFrame, findings: Sequence[str], exclusive: bool = False
) -> dict[str, dict[int, float]]:
    """Return finding -> training run -> cut-off, chosen on the run's validation rows; undefined ones are left out.

    Cut-offs are logits, or logarithms of the softmax if classes are ``exclusive``.
    """
    chosen = {finding: dict[int, float]() for finding in findings}
    validation = predictions[predictions["split"] == "val"]
    for training in sorted(set(validation["training"].tolist())):
        rows = validation[validation["training"] == training]
        for finding, outputs in zip(findings, _outputs(rows, findings, exclusive).T, strict=True):
            cut_off = youden_threshold(outputs, rows[f"label_{finding}"])
            if np.isfinite(cut_off):
                chosen[finding][training] = cut_off
    return chosen


def scores(
    rows: Sequence[Mapping[str, Any]],
    labels: Mapping[str, CaseLabels],
    findings: Sequence[str],
    seed: int = 0,
    source: ThresholdSource = "cross-fitted",
) -> tuple[Subgroup, ...]:
    """Score ``single_box``'s rows per group: ``hit@iou.3`` (findings and mean) and ``pointing`` (mean).

    All groups use the same patient resamples as the protocol's scores with the same ``seed``.

    Args:
        rows: rows per case.
        labels: variable -> (image, finding) -> group of the case.
        findings: findings in the order of the data set.
        seed: seed of the resamples.
        source: threshold source of the rows.

    Returns:
        The scores of each group. A finding without cases in a group has no score; scores of fewer than 10 patients have
        no interval.
    """
    columns = []
    for metric in METRICS:
        hits = np.array([hit_of(row, metric) for row in rows], dtype=np.float64)
        columns.append(
            Column(metric, source if metric == MAIN else "none", hits, np.ones(len(rows)))
        )
    groups = []
    restricted = []
    for variable, label_of_case in labels.items():
        for group, mask in _masks(rows, label_of_case):
            groups.append((variable, group))
            restricted += [summary.restrict(column, mask) for column in columns]
    if not groups:
        return ()
    index = CaseIndex.of([row["finding"] for row in rows], [row["patient"] for row in rows])
    # together, because all groups then share one matrix product
    remaining = iter(estimate(restricted, index, findings, seed))
    subgroups = []
    for variable, group in groups:
        estimates = list(itertools.islice(remaining, len(columns)))
        subgroups.append(_subgroup(variable, group, estimates, findings))
    return tuple(subgroups)


def hit_of(row: Mapping[str, Any], metric: str) -> float:
    """Return the hit of a row per case, 0 or 1, or the mean over draws of the folds where a baseline has one."""
    return float(row.get(f"{MEAN_PREFIX}{metric}", row[metric]))


def _masks(rows: Sequence[Mapping[str, Any]], labels: CaseLabels) -> list[tuple[str, summary.Mask]]:
    group_of = np.array([labels.get((row["image"], row["finding"]), "") for row in rows], dtype=str)
    return list(summary.masks(group_of).items())


def _subgroup(
    variable: str, group: str, estimates: Sequence[FindingEstimates], findings: Sequence[str]
) -> Subgroup:
    reported = []
    for score in summary.scores(estimates, findings):
        if score.n and (score.metric == MAIN or score.finding == "mean"):
            reported.append(score)
    return Subgroup(variable=variable, group=group, scores=tuple(reported))


def _number_of_findings(sample: Sample, findings: Sequence[str]) -> float:
    """Return the number of findings in an image; nan if only one is possible, or if unknown labels may add more."""
    labelled = [
        finding for finding, label in zip(findings, sample.labels, strict=True) if label == 1
    ]
    present = {*sample.boxes, *labelled}
    has_unknown_label = bool(np.isnan(sample.labels).any())
    is_unknown = len(findings) < 2 or (len(present) < 2 and has_unknown_label)
    return np.nan if is_unknown else len(present)


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
    outputs = np.asarray(values, dtype=np.float64)
    truth = np.asarray(labels, dtype=np.float64)
    is_known = np.isfinite(outputs) & np.isfinite(truth)
    outputs = outputs[is_known]
    truth = truth[is_known]
    if min((truth == 1).sum(), (truth == 0).sum()) < MIN_PER_CLASS:
        return np.nan
    fpr, tpr, thresholds = roc_curve(truth, outputs)
    gain = (tpr - fpr).round(12)  # ignore rounding between equal shares
    return float(thresholds[gain.argmax()]) if gain.max() > 0 else np.nan
