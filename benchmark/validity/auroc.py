"""AUROC of one network on several drawings of the same patients, with paired intervals."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.statistics.bootstrap import Resampled, blocks, weights
from benchmark.statistics.patients import ratio
from benchmark.statistics.summary import Estimate, difference
from core.types import FloatArray


def compared(
    logits: Mapping[str, FloatArray], labels: FloatArray, patients: Sequence[str], findings: Sequence[str], seed: int
) -> list[Estimate]:
    """(N,K) logits per drawing and (N,K) labels -> the AUROC of each drawing, then its change from the first.

    Metrics are ``auroc@DRAWING`` and ``change@auroc@DRAWING`` = drawing − first drawing. AUROC is the share of
    (positive, negative) pairs of images in which the positive has the larger logit, ties by half; nan where a finding
    has one class only. All drawings are resampled by the same 10,000 draws of patients.
    """
    _, person = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    counts = np.array([np.isfinite(column).sum() for column in labels.T], dtype=np.int64)
    estimates = {}
    for name, values in logits.items():
        per_finding = [_resampled(values[:, k], labels[:, k], person, seed) for k in range(len(findings))]
        value = np.array([resampled.value for resampled in per_finding])
        estimates[name] = Estimate(f"auroc@{name}", "none", value, counts, Resampled.joined(per_finding))
    first, *others = estimates.values()
    return [first, *others, *(difference(other, first, f"change@{other.metric}") for other in others)]


def _resampled(values: FloatArray, labels: FloatArray, person: NDArray[np.int64], seed: int) -> Resampled:
    people = int(person.max()) + 1
    positive, negative = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    wins = (values[positive][:, None] > values[negative]) + 0.5 * (values[positive][:, None] == values[negative])
    patients = person[positive], person[negative]
    samples = _weighted(wins, weights(people, seed), *patients)
    without = _weighted(wins, 1 - np.eye(people, dtype=np.float32), *patients)
    present = np.bincount(np.concatenate(patients), minlength=people) > 0
    value = _weighted(wins, np.ones((1, people), dtype=np.float32), *patients)[0]
    return Resampled(np.asarray(value, dtype=np.float64), samples.astype(np.float32), without, present)


def _weighted(
    wins: FloatArray, times: NDArray[np.generic], above: NDArray[np.int64], below: NDArray[np.int64]
) -> FloatArray:
    """(P,Q) who wins, (R,people) how often each counts -> (R,) weighted share of pairs won; nan without any pair."""
    out = np.full(len(times), np.nan)
    table = wins.astype(np.float32)
    for rows in blocks(len(times), max(1, len(below))):
        up, down = (times[rows][:, patient].astype(np.float32) for patient in (above, below))
        out[rows] = ratio((up @ table * down).sum(1), up.sum(1) * down.sum(1))
    return out
