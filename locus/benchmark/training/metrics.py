"""Metrics of a classifier: ranking and decisions at a threshold, with intervals by patient.

``Predictions``  logits and labels of the images of a split: the input of all metrics
``scores``, ``resampled``  ranking: AUROC and average precision, of all images and of resamples of the patients
``choose``, ``decide``     decisions: a logit per finding as threshold, and ratios of counts per patient
``assess``       the content of metrics.json: thresholds from validation, and both splits with intervals

The bootstrap itself is in ``locus.scoring.statistics.resample``, plots are in ``plots``.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.metrics import roc_curve
from torch import Tensor
from tqdm import tqdm

from locus.core.compiled import compiled
from locus.core.scores import ThresholdSource
from locus.core.types import FloatArray
from locus.datasets import base
from locus.scoring.statistics import resample

Bools = NDArray[np.bool_]
Scores = dict[str, Any]
RANKING = ("auroc", "ap")
RESAMPLES_PER_PASS = 512
"""Resamples per pass; their counts fit into the first-level cache."""
ALL_ONCE = np.ones((1, 1), np.uint8)
"""One resample with all images once."""
DECISIONS = ("sensitivity", "specificity", "ppv", "npv", "f1", "accuracy")
METRIC_NAMES = {
    False: {name: name for name in DECISIONS},
    True: {"sensitivity": "recall", "ppv": "precision", "f1": "f1", "accuracy": "accuracy"},
}
"""Names of the metrics for independent findings (False) and for exclusive classes (True)."""
REASONS = {
    "sensitivity": "no image is positive",
    "specificity": "no image is negative",
    "ppv": "no image is called positive",
    "npv": "no image is called negative",
    "f1": "no image is positive or called positive",
    "accuracy": "no label is known",
}
"""Metric -> reason why its denominator is 0."""
Decisions = tuple[Bools, Bools, Bools]
Columns = tuple[NDArray[Any], NDArray[Any]]
Choice = Literal["youden", "f1", "fixed"]
Gain = Callable[[FloatArray, FloatArray, int, int], FloatArray]
Row = dict[str, Any]
ResampledByName = dict[str, resample.Resampled]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Logits, labels and patients of n images (or studies) for K findings."""

    findings: tuple[str, ...]
    logits: Tensor
    """(n,K) float64, before any sigmoid or softmax."""
    labels: Tensor
    """(n,K) 0, 1 or nan (unknown)."""
    patients: Sequence[str]
    """(n,) patient of each image; resampling is by patient."""
    exclusive: bool = False
    """Whether the classes exclude each other (softmax) or are independent (sigmoids)."""

    @cached_property
    def patient_index(self) -> NDArray[np.intp]:
        """(n,) index of each image's patient, in sorted order."""
        return np.unique(np.asarray(self.patients, dtype=str), return_inverse=True)[1].reshape(-1)

    @property
    def n_patients(self) -> int:
        """Number of patients."""
        return int(self.patient_index.max(initial=-1)) + 1

    @property
    def ranking_scores(self) -> Tensor:
        """(n,K) float64 scores for ranking: the logit, or for a softmax the logarithm of the probability."""
        return self.logits.double().log_softmax(1) if self.exclusive else self.logits.double()

    @cached_property
    def classes(self) -> NDArray[np.int64]:
        """(n,) the single class of each image; -1 if it has none or several, or a label is unknown."""
        has_one_class = (self.labels == 1).sum(1) == 1
        return torch.where(
            has_one_class & ~self.labels.isnan().any(1), self.labels.nan_to_num(0.0).argmax(1), -1
        ).numpy()

    def of(self, rows: slice) -> "Predictions":
        """Return the predictions of some images."""
        return replace(
            self, logits=self.logits[rows], labels=self.labels[rows], patients=self.patients[rows]
        )

    def by_study(self, study: Sequence[str]) -> "Predictions":
        """Aggregate by study, given the (n,) study of each image: the maximum of its logits and labels."""
        names, values = base.maximum(self.ranking_scores, study)
        labels = base.maximum(self.labels, study)[1]
        patient = dict(zip(study, self.patients, strict=True))
        logits = torch.from_numpy(values)
        truth = torch.from_numpy(labels).float()
        return Predictions(
            findings=self.findings,
            logits=logits,
            labels=truth,
            patients=[patient[name] for name in names],
            exclusive=self.exclusive,
        )


def scores(
    logits: Tensor, labels: Tensor, findings: tuple[str, ...], exclusive: bool = False
) -> Scores:
    """Return AUROC and average precision, per finding and as means.

    A finding without both classes has nan and is left out of the means.

    Args:
        logits: (N,K).
        labels: (N,K) 0, 1 or nan for unknown.
        findings: names of the K columns.
        exclusive: rank by softmax probability, not by logit, because each image has one finding.

    Returns:
        The keys ``mean_auroc``, ``mean_ap``, ``n`` and ``findings``.
    """
    ranked = logits.double().log_softmax(1) if exclusive else logits.double()
    rows = {name: _score(ranked[:, k], labels[:, k]) for k, name in enumerate(findings)}
    columns = {
        metric: torch.tensor([row[metric] for row in rows.values()], dtype=torch.float64)
        for metric in RANKING
    }
    means = {
        f"mean_{metric}": float(column[~column.isnan()].mean())
        for metric, column in columns.items()
    }
    return {**means, "n": len(logits), "findings": rows}


def _score(values: Tensor, labels: Tensor) -> dict[str, float]:
    has_label = ~labels.isnan()
    truth = labels[has_label].numpy() == 1
    order, positive, closes = descending(values[has_label].numpy(), truth)
    ((auroc, ap),) = areas(
        np.zeros_like(order), positive, closes, ALL_ONCE
    )  # nan where a class is missing
    return {"auroc": float(auroc), "ap": float(ap), "n": len(truth), "positives": int(truth.sum())}


def resampled(predictions: Predictions, seed: int = 0) -> resample.Resampled:
    """Return (K,2) resampled AUROC and average precision; nan if a resample lacks one of the classes.

    One pass over the sorted scores handles a block of resamples: each image adds the counts of its patient to the true
    or false positives of all of them. The result is that of scoring each resample separately, ties included. NIH's
    25,596 test images with 14 findings and 10,000 resamples take about two seconds on one core.
    """
    drawn = resample.weights(predictions.n_patients, seed).T  # (P, R)
    scored = scores(
        predictions.logits, predictions.labels, predictions.findings, predictions.exclusive
    )
    value = np.array([[row[metric] for metric in RANKING] for row in scored["findings"].values()])
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        results = pool.map(lambda k: _ranked_finding(predictions, k, drawn), range(len(value)))
        both = list(
            tqdm(
                results,
                desc="intervals",
                total=len(value),
                unit="finding",
                leave=False,
                disable=None,
            )
        )
    present = np.zeros((predictions.n_patients, len(value)), dtype=bool)
    np.logical_or.at(present, predictions.patient_index, ~np.isnan(predictions.labels.numpy()))
    samples = np.stack([finding_samples for finding_samples, _ in both], 1)
    without = np.stack([finding_without for _, finding_without in both], 1)  # (R,K,2), (P,K,2)
    return resample.Resampled(value, samples, without, np.repeat(present[..., None], 2, axis=-1))


def _ranked_finding(
    predictions: Predictions, k: int, drawn: resample.Counts
) -> tuple[resample.Samples, FloatArray]:
    """Return the (R,2) values of the resamples and the (P,2) values without each patient."""
    labels = predictions.labels[:, k].numpy()
    has_label = ~np.isnan(labels)
    order, truth, closes = descending(
        predictions.ranking_scores[has_label, k].numpy(), labels[has_label] == 1
    )
    patient = predictions.patient_index[has_label][order]
    blocks = (
        drawn[:, start : start + RESAMPLES_PER_PASS].copy()
        for start in range(0, drawn.shape[1], RESAMPLES_PER_PASS)
    )
    samples = [areas(patient, truth, closes, block) for block in blocks]
    left_out_blocks = (
        all_but(start, len(drawn)) for start in range(0, len(drawn), RESAMPLES_PER_PASS)
    )
    without = [areas(patient, truth, closes, block) for block in left_out_blocks]
    return np.concatenate(samples).astype(np.float32), np.concatenate(without)


def all_but(start: int, patients: int) -> resample.Counts:
    """Return the (P,b) counts of b resamples with all patients but one, from index ``start`` on.

    >>> all_but(1, 3).tolist()
    [[1, 1], [0, 1], [1, 0]]
    """
    width = min(RESAMPLES_PER_PASS, patients - start)
    counts = np.ones((patients, width), dtype=np.uint8)
    counts[np.arange(start, start + width), np.arange(width)] = 0
    return counts


def descending(values: FloatArray, positive: Bools) -> tuple[NDArray[np.intp], Bools, Bools]:
    """Return the (n,) descending order, the truth in it, and the ends of ties that contain a positive.

    Among ties, positives come first. ``values`` and ``positive`` are (n,).
    """
    order = np.lexsort((~positive, -values))
    ordered = values[order]
    truth = positive[order]
    last = np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)]
    run = np.cumsum(last) - last  # (n,) number of the run of equals
    return order, truth, last & (np.bincount(run, truth, minlength=1)[run] > 0)


@partial(compiled, error_model="numpy")
def areas(
    patient: NDArray[np.intp], positive: Bools, closes: Bools, times: resample.Counts
) -> FloatArray:
    """Return AUROC and average precision (AP) of each resample.

    A tied pair counts half. AP is the sum over thresholds of the gain in recall times the precision.

    Args:
        patient: (n,) index of the patient of each image, in descending order of the scores.
        positive: (n,) True for positive images, in the same order.
        closes: (n,) True for the last image of a tie, in the same order.
        times: (P,b) how often each patient is in each resample.

    Returns:
        (b,2) AUROC and AP; nan where a class is missing.
    """
    width = times.shape[1]
    true = np.zeros(width)
    false = np.zeros(width)
    before = np.zeros(width)
    pairs = np.zeros(width)
    gained = np.zeros(width)
    for i in range(len(patient)):
        row = times[patient[i]]
        if positive[i]:
            for r in range(width):
                true[r] += row[r]
        else:
            for r in range(width):
                pairs[r] += row[r] * (before[r] + true[r])
                false[r] += row[r]
        if closes[i]:
            for r in range(width):
                gained[r] += (true[r] - before[r]) * true[r] / max(true[r] + false[r], 1.0)
                before[r] = true[r]
    scores = np.full((width, 2), np.nan)
    for r in range(width):
        if true[r] > 0 and false[r] > 0:
            scores[r, 0] = pairs[r] / (2 * true[r] * false[r])
            scores[r, 1] = gained[r] / true[r]
    return scores


def choose(predictions: Predictions, choice: Choice = "youden") -> list[dict[str, Any]]:
    """Return a threshold per finding from the validation ``predictions``; ``fixed`` is a probability of .5.

    A finding is called present if its logit is at or above ``logit``, which is nan, with a ``reason``, if it could not
    be chosen. ``n`` is the number of images for the choice, with a known label. Each is an entry of metrics.json.
    """
    if choice == "fixed":
        return [_threshold(0.0, "fixed", choice, 0) for _ in predictions.findings]
    columns = zip(predictions.ranking_scores.T, predictions.labels.T, strict=True)
    return [_chosen(values, labels, choice) for values, labels in columns]


def _chosen(values: Tensor, labels: Tensor, choice: Choice) -> dict[str, Any]:
    has_label = ~labels.isnan()
    n = int(has_label.sum())
    positives = int((labels == 1).sum())
    if positives in (0, n):
        why = (
            f"{positives} of {n} validation images are positive"
            if n
            else "no validation label is known"
        )
        reason = f"{why}: no threshold can be chosen"
        return {**_threshold(np.nan, "validation", choice, n), "reason": reason}
    logit = best_threshold(
        values[has_label].double().numpy(), labels[has_label].numpy() == 1, GAINS[choice]
    )
    return _threshold(logit, "validation", choice, n)


def _threshold(
    logit: float, threshold_source: ThresholdSource, choice: Choice, n: int
) -> dict[str, Any]:
    values = {"logit": logit, "probability": float(expit(logit))}
    return {**values, "threshold_source": threshold_source, "choice": choice, "n": n}


def youden(tp: FloatArray, fp: FloatArray, positives: int, negatives: int) -> FloatArray:
    """Return J = TPR - FPR.

    Source: Youden, "Index for rating diagnostic tests", Cancer 3 (1950).

    Args:
        tp: true positives at each threshold.
        fp: false positives at each threshold.
        positives: number of positive images.
        negatives: number of negative images.
    """
    # one division, so that equal ratios are equal floats
    return (tp * negatives - fp * positives) / (positives * negatives)


def f1(tp: FloatArray, fp: FloatArray, positives: int, _: int) -> FloatArray:
    """Return 2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall.

    Args:
        tp: true positives at each threshold.
        fp: false positives at each threshold.
        positives: number of positive images.
    """
    return 2 * tp / (tp + fp + positives)


GAINS: dict[str, Gain] = {"youden": youden, "f1": f1}


def best_threshold(values: FloatArray, truth: Bools, gain: Gain) -> float:
    """Return the score with the largest ``gain``, the highest on ties, from (n,) scores and truth with both classes.

    >>> best_threshold(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]), youden)
    0.8
    """
    # the first threshold calls nothing positive
    fpr, tpr, thresholds = (
        rates[1:] for rates in roc_curve(truth, values, drop_intermediate=False)
    )
    positives = int(truth.sum())
    negatives = int((~truth).sum())
    gains = gain((tpr * positives).round(), (fpr * negatives).round(), positives, negatives)
    return float(thresholds[gains.argmax()])


def decide(predictions: Predictions, thresholds: ArrayLike) -> Decisions:
    """Return (n,K) decision, truth, and whether both are known.

    A logit at its threshold is positive; with a nan threshold the decision is unknown. For exclusive classes the
    decision is the likeliest class, and an image without exactly one class is unknown.
    """
    if predictions.exclusive:
        index = np.arange(len(predictions.findings))
        called, true = (
            classes[:, None] == index
            for classes in (predictions.ranking_scores.argmax(1).numpy(), predictions.classes)
        )
        return called, true, np.broadcast_to(predictions.classes[:, None] >= 0, true.shape)
    limits = np.asarray(thresholds, dtype=np.float64)
    labels = predictions.labels.numpy()
    return (
        predictions.ranking_scores.numpy() >= limits,
        labels == 1,
        ~np.isnan(labels) & ~np.isnan(limits),
    )


def per_finding(called: Bools, true: Bools, known: Bools) -> Columns:
    """Return the (n,K,6) terms of the numerators and denominators of ``DECISIONS`` from (n,K) decisions."""
    tp = called & true
    tn = ~called & ~true
    numerators = (tp, tn, tp, tn, 2 * tp, called == true)
    denominators = (true, ~true, called, ~called, called.astype(int) + true, np.ones_like(true))
    is_known = known[..., None]
    return np.stack(numerators, -1) * is_known, np.stack(denominators, -1) * is_known


def per_image(called: Bools, true: Bools, known: Bools) -> Columns:
    """Return the (n,1,2) terms of Hamming loss (wrong labels) and exact match (images with all labels right).

    A finding without any decision is ignored; an image is a match only if all its other labels are known.
    """
    some = known.any(0)
    judged = known[:, some].all(1) & some.any()
    wrong = (called != true) & known
    numerators = (wrong.sum(1), judged & ~wrong.any(1))
    denominators = (known.sum(1), judged)
    return np.stack(numerators, -1)[:, None], np.stack(denominators, -1)[:, None]


def sum_by_patient(columns: Columns, predictions: Predictions) -> resample.Sums:
    """Return the (P,F,M) sums by patient of (n,F,M) columns."""
    sums = np.zeros((2, predictions.n_patients, *columns[0].shape[1:]))
    for side, values in zip(sums, columns, strict=True):
        np.add.at(side, predictions.patient_index, values)
    return resample.Sums(*sums)


def assess(val: Predictions | None, test: Predictions, choice: Choice = "youden") -> Row:
    """Return thresholds and the metrics of both splits; undefined values are nan with a reason.

    ``val``: None if there are no validation images; their metrics are then left out. On the validation images,
    a chosen threshold has the source ``oracle``, because it was chosen on their truth.
    """
    chosen_on = val or test.of(slice(0))
    chosen = [] if test.exclusive else choose(chosen_on, choice)
    rows: Row = {"thresholds": dict(zip(test.findings, chosen, strict=True))} if chosen else {}
    rows["resampling"] = {
        "level": resample.LEVEL,
        "kind": "bca",
        "unit": "patient",
        "resamples": resample.RESAMPLES,
    }
    if val:
        rows["val"] = _assess_split(val, chosen, "fixed" if choice == "fixed" else "oracle")
    return {
        **rows,
        "test": _assess_split(test, chosen, "fixed" if choice == "fixed" else "validation"),
    }


def _assess_split(
    predictions: Predictions, chosen: Sequence[Row], threshold_source: ThresholdSource
) -> Row:
    """Return the metrics of a split: means over the findings with a value, then each finding."""
    decided = decide(predictions, [row["logit"] for row in chosen])
    per_finding = _per_finding(predictions, decided)
    mean = partial(resample.mean, axis=-1)
    means = {f"mean_{name}": metric.over(mean) for name, metric in per_finding.items()}
    values, intervals = _with_intervals(means | _as_a_whole(predictions, decided))
    extra: Row = {"threshold_source": threshold_source}
    if predictions.exclusive:
        has_class = predictions.classes >= 0
        count = len(predictions.findings)
        predicted = predictions.ranking_scores.argmax(1).numpy()[has_class]
        pairs = predictions.classes[has_class] * count + predicted
        matrix = np.bincount(pairs, minlength=count**2).reshape(count, count)
        extra = {"confusion_matrix": matrix.tolist()}
    judged = int(per_image(*decided)[1][:, 0, 1].sum())
    counts = {"n": len(predictions.logits), "patients": predictions.n_patients, "judged": judged}
    rows = {
        name: _finding(predictions, k, per_finding, chosen)
        for k, name in enumerate(predictions.findings)
    }
    return {**values, **counts, **extra, "intervals": intervals, "findings": rows}


def _per_finding(predictions: Predictions, decided: Decisions) -> ResampledByName:
    """Return (K,) resampled metrics: ranking and decisions."""
    ranked = resampled(predictions)
    counted = resample.bootstrap_draws(sum_by_patient(per_finding(*decided), predictions))
    ratios = {name: counted[:, i] for i, name in enumerate(DECISIONS)}
    metric_names = METRIC_NAMES[predictions.exclusive]
    metrics = {name: ranked[:, i] for i, name in enumerate(RANKING)}
    return metrics | {
        metric_names[name]: values for name, values in ratios.items() if name in metric_names
    }


def _as_a_whole(predictions: Predictions, decided: Decisions) -> ResampledByName:
    """Return metrics over all findings: accuracy of exclusive classes, else Hamming loss and exact match."""
    whole = resample.bootstrap_draws(sum_by_patient(per_image(*decided), predictions))[0]
    return (
        {"accuracy": whole[1]}
        if predictions.exclusive
        else {"hamming_loss": whole[0], "exact_match": whole[1]}
    )


def _with_intervals(numbers: ResampledByName) -> tuple[Row, Row]:
    """Return values and intervals by name; a missing interval is None."""
    joined = resample.Resampled.join(list(numbers.values()))
    bounds = [None if np.isnan(pair).any() else pair.tolist() for pair in resample.interval(joined)]
    return dict(zip(numbers, joined.value.tolist(), strict=True)), dict(
        zip(numbers, bounds, strict=True)
    )


def _finding(
    predictions: Predictions, k: int, per_finding: ResampledByName, chosen: Sequence[Row]
) -> Row:
    """Return the metrics of one finding with intervals, counts, and reasons for missing values."""
    values, intervals = _with_intervals({name: metric[k] for name, metric in per_finding.items()})
    labels = predictions.labels[:, k]
    n = int((~labels.isnan()).sum())
    positives = int((labels == 1).sum())
    no_threshold = chosen[k].get("reason") if chosen else None
    why = dict.fromkeys(RANKING, f"{positives} of {n} images are positive: one class only")
    for metric_names in METRIC_NAMES.values():
        why |= {
            metric_name: no_threshold or REASONS[name] for name, metric_name in metric_names.items()
        }
    reasons = {name: why[name] for name, value in values.items() if np.isnan(value)}
    counts = {"n": n, "positives": positives}
    return {**values, **counts, "intervals": intervals, **({"reasons": reasons} if reasons else {})}
