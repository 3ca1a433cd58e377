"""Optimism: oracle minus cross-fitted score, what is gained by choosing a threshold on the scored cases themselves.

What has an interval: the oracle of one finding, where each resample chooses its own threshold. With 120 patients it
holds the best threshold's true share in 90 to 97 % of runs, so read it with care. The mean of eight such maxima holds
it in 44 %: a resample's maximum is biased upwards in every finding at once, and the mean does not average that away. An
interval of the difference from the cross-fitted figure holds the expected difference in 75 % (150 simulations each).
Neither has an interval; nor has an oracle whose threshold is shared, or was chosen for another metric.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmark.records.score import Score
from benchmark.statistics.bootstrap import Resampled, resample_over
from benchmark.statistics.case_index import SHARED_SUFFIX, CaseIndex
from benchmark.statistics.patients import by_patient
from benchmark.statistics.summary import Column, Estimate, difference, estimate, scores
from core.types import FloatArray

OracleCounts = tuple[NDArray[np.bool_] | FloatArray, FloatArray]
"""(N,D,T) what counts at each of T thresholds, in each of the D parts whose mean a metric is, and (N,) against what."""


def scores_with_optimism(
    columns: Sequence[Column],
    index: CaseIndex,
    findings: Sequence[str],
    seed: int,
    optimism_names: Mapping[str, str],
    oracle_counts: Mapping[str, OracleCounts],
) -> list[Score]:
    """Scores of the ``columns`` per finding, with the difference of each main metric.

    ``optimism_names``: metric -> its difference's name. ``oracle_counts``: metric -> what its oracle is resampled from.
    """
    estimates = estimate(columns, index, findings, seed)
    oracles = (
        {metric: resampled_oracle(*each, index, findings, seed) for metric, each in oracle_counts.items()}
        if len(index.findings)
        else {}
    )
    return scores(with_optimism(estimates, optimism_names, oracles), findings)


def with_optimism(
    estimates: Sequence[Estimate], optimism_names: Mapping[str, str], oracles: Mapping[str, Resampled]
) -> list[Estimate]:
    """``estimates``, then oracle − cross-fitted of each main metric, per finding and shared.

    ``oracles``: metric -> its oracle's resamples, from ``resampled_oracle``; the other oracles get no interval.
    """
    out = [
        replace(e, samples=oracles.get(e.metric), mean_interval=False) if e.origin == "oracle" else e for e in estimates
    ]
    by_key = {(e.metric, e.origin): e for e in out}
    for metric, name in optimism_names.items():
        for suffix in ("", SHARED_SUFFIX):
            best, cross_fitted = by_key[metric + suffix, "oracle"], by_key[metric + suffix, "cross-fitted"]
            out.append(replace(difference(best, cross_fitted, name + suffix), samples=None))
    return out


def resampled_oracle(
    numerator: NDArray[np.bool_] | FloatArray,
    denominator: FloatArray,
    index: CaseIndex,
    findings: Sequence[str],
    seed: int,
) -> Resampled:
    """(N,D,T) what counts at each of T thresholds and (N,) against what -> (F,) the oracle, resampled.

    It chooses again in each resample: the mean over D parts, each at its own best threshold. At least one case.
    """
    flat = numerator.reshape(len(numerator), -1).astype(np.float64)
    sums = by_patient(flat, np.repeat(denominator[:, None], flat.shape[1], 1), index.findings, index.patients, findings)
    return resample_over(
        sums, lambda values: values.reshape(*values.shape[:-1], *numerator.shape[1:]).max(-1).mean(-1), seed
    )
