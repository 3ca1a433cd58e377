"""Columns, scores and rows of the protocols that choose score thresholds, for each threshold origin.

Optimism: oracle minus cross-fitted score, the gain from choosing a threshold on the scored cases themselves.

Only the oracle of a single finding has an interval; each resample chooses a new threshold. In simulations with 120
patients, this 95% interval covers the true share at the best threshold in 90 to 97% of runs, so read it with care. An
interval of the mean over eight findings would cover it in only 44%, because the maximum of a resample is biased
upwards in every finding at once. An interval of the optimism would cover the expected value in 75% (150 simulations
each). These two have no interval, and neither has an oracle whose threshold is shared or was chosen for another metric.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.scoring.protocols.base import Case, common_columns
from benchmark.scoring.statistics.bootstrap import Resampled, resample_over
from benchmark.scoring.statistics.patients import SHARED_SUFFIX, CaseIndex, by_patient
from benchmark.scoring.statistics.summary import NOTHING, Column, estimate, scores
from benchmark.scoring.thresholds.origins import ThresholdKey, ThresholdsByOrigin, at_index
from core.scores import Origin, Score
from core.types import FloatArray

VALIDATION: Origin = "validation"
UNCHOSEN = "no case, or no validation case to choose its threshold on"
Oracle = tuple[str, NDArray[np.bool_] | FloatArray, FloatArray]
"""Name of a metric's optimism, numerators (N,D,T) and denominators (N,) of its oracle.

T is the number of thresholds, D the number of parts that the metric averages.
"""


class AtThreshold:
    """N cases at the thresholds chosen for one origin."""

    def __init__(self, key: ThresholdKey, has_threshold: NDArray[np.bool_]) -> None:
        """Store the origin and ``has_threshold`` (N,); a case without a threshold does not count."""
        self.key, self.has_threshold = key, has_threshold

    def column(self, metric: str, part: ArrayLike, whole: ArrayLike = 1.0) -> Column:
        """Return the column of a metric at this origin: numerators ``part`` (N,), denominators ``whole`` (N,)."""
        origin, suffix = self.key
        against = np.where(self.has_threshold, whole, 0.0)
        reason = UNCHOSEN if origin == VALIDATION else NOTHING
        return Column(metric + suffix, origin, np.where(against > 0, part, 0.0), against, reason=reason)


def scores_with_optimism(
    columns: Sequence[Column], index: CaseIndex, findings: Sequence[str], seed: int, oracles: Mapping[str, Oracle]
) -> list[Score]:
    """Return the scores of the ``columns``, then oracle − cross-fitted of each metric of ``oracles``.

    ``oracles``: metric -> its oracle, which gets an interval; other oracles have none.
    """
    samples = {metric: _resampled(oracle, index, findings, seed) for metric, oracle in oracles.items() if len(index)}
    estimates = [
        replace(e, samples=samples.get(e.metric), mean_interval=False) if e.origin == "oracle" else e
        for e in estimate(columns, index, findings, seed)
    ]
    by_key = {(e.metric, e.origin): e for e in estimates}
    for metric, (name, *_) in oracles.items():
        for suffix in ("", SHARED_SUFFIX):
            best, gap = by_key[metric + suffix, "oracle"], by_key[metric + suffix, "cross-fitted"]
            estimates.append(replace(best, metric=name + suffix, value=best.value - gap.value, samples=None))
    return scores(estimates, findings)


def _resampled(oracle: Oracle, index: CaseIndex, findings: Sequence[str], seed: int) -> Resampled:
    """Resample an oracle for each finding, with new thresholds in each resample: the mean over its D parts."""
    _, numerator, denominator = oracle
    flat = numerator.reshape(len(numerator), -1).astype(np.float64)
    sums = by_patient(flat, np.repeat(denominator[:, None], flat.shape[1], 1), index.findings, index.patients, findings)
    parts = numerator.shape[1:]
    return resample_over(sums, lambda values: values.reshape(*values.shape[:-1], *parts).max(-1).mean(-1), seed)


def at_origins(chosen: ThresholdsByOrigin, **tables: NDArray[np.generic]) -> dict[ThresholdKey, dict[str, FloatArray]]:
    """Return, for each origin, the values (N,) of the ``tables`` (N,T) at each case's chosen index."""
    return {key: {name: at_index(table, at) for name, table in tables.items()} for key, at in chosen.items()}


def other_origins(columns: Mapping[ThresholdKey, Mapping[str, FloatArray]]) -> dict[str, FloatArray]:
    """Return the row columns of the other origins, such as ``threshold_oracle``, ``iou_oracle``, ``iou_oracle@shared``.

    All rows of a protocol have the same columns: those of ``validation`` are empty without validation cases.
    """
    never = {name: np.full(len(column), np.nan) for name, column in next(iter(columns.values())).items()}
    keys = dict.fromkeys([*columns, *((VALIDATION, suffix) for suffix in ("", SHARED_SUFFIX))])
    return {
        f"{name}_{origin}{suffix}": column
        for origin, suffix in keys
        for name, column in columns.get((origin, suffix), never).items()
    }


def rows(cases: Sequence[Case], reasons: Sequence[str], columns: Mapping[str, ArrayLike]) -> list[dict[str, Any]]:
    """Return one row per case: the common columns, then the (N,) ``columns`` as plain numbers, None for nan."""
    plain = [[None if value != value else value for value in np.asarray(part).tolist()] for part in columns.values()]
    own_values = (dict(zip(columns, values, strict=True)) for values in zip(*plain, strict=True))
    begun = map(common_columns, cases, reasons)
    return [{**begin, **values} for begin, values in zip(begun, own_values, strict=True)]
