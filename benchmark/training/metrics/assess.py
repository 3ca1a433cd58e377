"""The metrics in metrics.json: thresholds and temperature from validation, and both splits with intervals."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmark.scoring.statistics.bootstrap import RESAMPLES, Resampled, bootstrap_draws, mean
from benchmark.scoring.statistics.intervals import LEVEL, interval
from benchmark.training.metrics import calibration, decisions, ranking
from benchmark.training.metrics.decisions import Choice
from benchmark.training.metrics.predictions import Predictions
from core.scores import Origin

Row = dict[str, Any]
ResampledByName = dict[str, Resampled]


def assess(val: Predictions, test: Predictions, choice: Choice = "youden") -> Row:
    """Return thresholds, temperature, and the metrics of both splits; undefined values are nan with a reason.

    On the validation images, a chosen threshold has the origin ``oracle``, because it was chosen on their truth.
    """
    temperature = calibration.fit(val)
    chosen = [] if val.exclusive else decisions.choose(val, choice)
    rows = {"thresholds": dict(zip(val.findings, chosen, strict=True))} if chosen else {}
    origins: tuple[Origin, Origin] = ("fixed", "fixed") if choice == "fixed" else ("oracle", "validation")
    return {
        "temperature": temperature,
        **rows,
        "resampling": {"level": LEVEL, "kind": "bca", "unit": "patient", "resamples": RESAMPLES},
        "val": _assess_split(val, chosen, temperature["value"], origins[0]),
        "test": _assess_split(test, chosen, temperature["value"], origins[1]),
    }


def _assess_split(predictions: Predictions, chosen: Sequence[Row], temperature: float, origin: Origin) -> Row:
    """Return the metrics of a split: means over the findings with a value, then each finding."""
    decided = decisions.decide(predictions, [row["logit"] for row in chosen])
    per_finding = _per_finding(predictions, decided, temperature)
    means = {f"mean_{name}": metric.over(lambda values: mean(values, -1)) for name, metric in per_finding.items()}
    values, intervals = _with_intervals(means | _as_a_whole(predictions, decided))
    errors = {
        "ece": calibration.expected_calibration_errors(predictions, 1.0),
        "ece_scaled": calibration.expected_calibration_errors(predictions, temperature),
    }
    values |= {f"mean_{name}": float(mean(np.array(numbers), 0)) for name, numbers in errors.items()}
    if predictions.exclusive:
        extra: Row = {"confusion_matrix": decisions.confusion_matrix(predictions).tolist()}
        values["ece"] = calibration.top_class_calibration_error(predictions, 1.0)
        values["ece_scaled"] = calibration.top_class_calibration_error(predictions, temperature)
    else:
        extra = {"threshold_origin": origin}
    judged = int(decisions.per_image(*decided)[1][:, 0, 1].sum())
    counts = {"n": len(predictions.logits), "patients": predictions.n_patients, "judged": judged}
    rows = {name: _finding(predictions, k, per_finding, errors, chosen) for k, name in enumerate(predictions.findings)}
    return {**values, **counts, **extra, "intervals": intervals, "findings": rows}


def _per_finding(predictions: Predictions, decided: decisions.Decisions, temperature: float) -> ResampledByName:
    """Return (K,) resampled metrics: ranking, decisions, and the Brier score before and after scaling."""
    ranked = ranking.resampled(predictions)
    briers = (calibration.brier_terms(predictions, factor) for factor in (1.0, temperature))
    columns = (decisions.per_finding(*decided), *briers)
    part, whole = (np.concatenate(side, -1) for side in zip(*columns, strict=True))
    counted = bootstrap_draws(decisions.sum_by_patient((part, whole), predictions))
    ratios = {name: counted[:, i] for i, name in enumerate((*decisions.METRICS, "brier", "brier_scaled"))}
    words = decisions.METRIC_NAMES[predictions.exclusive] | {"brier": "brier", "brier_scaled": "brier_scaled"}
    metrics = {name: ranked[:, i] for i, name in enumerate(ranking.METRICS)}
    return metrics | {words[name]: values for name, values in ratios.items() if name in words}


def _as_a_whole(predictions: Predictions, decided: decisions.Decisions) -> ResampledByName:
    """Return metrics over all findings: accuracy of exclusive classes, else Hamming loss and exact match."""
    whole = bootstrap_draws(decisions.sum_by_patient(decisions.per_image(*decided), predictions))[0]
    return {"accuracy": whole[1]} if predictions.exclusive else {"hamming_loss": whole[0], "exact_match": whole[1]}


def _with_intervals(numbers: ResampledByName) -> tuple[Row, Row]:
    """Return values and intervals by name; a missing interval is None."""
    joined = Resampled.join(list(numbers.values()))
    bounds = [None if np.isnan(pair).any() else pair.tolist() for pair in interval(joined)]
    return dict(zip(numbers, joined.value.tolist(), strict=True)), dict(zip(numbers, bounds, strict=True))


def _finding(predictions: Predictions, k: int, per_finding: ResampledByName, errors: Row, chosen: Sequence[Row]) -> Row:
    """Return the metrics of one finding with intervals, counts, and reasons for missing values."""
    values, intervals = _with_intervals({name: metric[k] for name, metric in per_finding.items()})
    values |= {name: numbers[k] for name, numbers in errors.items()}
    labels = predictions.labels[:, k]
    n, positives = int((~labels.isnan()).sum()), int((labels == 1).sum())
    no_threshold = chosen[k].get("reason") if chosen else None
    why = dict.fromkeys(ranking.METRICS, f"{positives} of {n} images are positive: one class only")
    for words in decisions.METRIC_NAMES.values():
        why |= {word: no_threshold or decisions.REASONS[name] for name, word in words.items()}
    unknown = "no label is known on these images or on the validation images"
    reasons = {name: why.get(name, unknown) for name, value in values.items() if np.isnan(value)}
    counts = {"n": n, "positives": positives}
    return {**values, **counts, "intervals": intervals, **({"reasons": reasons} if reasons else {})}
