"""Ranking metrics: AUROC and average precision, of all images and of resamples of the patients.

One pass over the sorted scores handles a block of resamples: each image adds the counts of its patient to the true or
false positives of all of them. The result is that of scoring each resample separately, ties included. NIH's 25,596 test
images with 14 findings and 10,000 resamples take about two seconds on one core.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from benchmark.scoring.statistics.bootstrap import Counts, Resampled, Samples, weights
from benchmark.training.metrics.predictions import Predictions
from core.types import FloatArray

Bools = NDArray[np.bool_]
Scores = dict[str, Any]
METRICS = ("auroc", "ap")
BLOCK = 512
"""Resamples per pass; their counts fit into the first-level cache."""
ALL_ONCE = np.ones((1, 1), np.uint8)
"""One resample with all images once."""


def scores(logits: Tensor, labels: Tensor, findings: tuple[str, ...], exclusive: bool = False) -> Scores:
    """Return AUROC and average precision of (N,K) logits and labels (nan for unknown), per finding and as means.

    The keys are ``mean_auroc``, ``mean_ap``, ``n`` and ``findings``. A finding without both classes has nan and is left
    out of the means. ``exclusive``: rank by softmax probability, not by logit.
    """
    ranked = logits.double().log_softmax(1) if exclusive else logits.double()
    rows = {name: _score(ranked[:, k], labels[:, k]) for k, name in enumerate(findings)}
    columns = {metric: torch.tensor([row[metric] for row in rows.values()], dtype=torch.float64) for metric in METRICS}
    means = {f"mean_{metric}": float(column[~column.isnan()].mean()) for metric, column in columns.items()}
    return {**means, "n": len(logits), "findings": rows}


def _score(values: Tensor, labels: Tensor) -> dict[str, float]:
    known = ~labels.isnan()
    truth = labels[known].numpy() == 1
    order, positive, closes = descending(values[known].numpy(), truth)
    ((auroc, ap),) = areas(np.zeros_like(order), positive, closes, ALL_ONCE)  # nan where a class is missing
    return {"auroc": float(auroc), "ap": float(ap), "n": len(truth), "positives": int(truth.sum())}


def resampled(predictions: Predictions, seed: int = 0) -> Resampled:
    """Return (K,2) resampled AUROC and average precision; nan if a resample lacks one of the classes."""
    drawn = weights(predictions.n_patients, seed).T  # (P, R)
    scored = scores(predictions.logits, predictions.labels, predictions.findings, predictions.exclusive)
    value = np.array([[row[metric] for metric in METRICS] for row in scored["findings"].values()])
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        parts = pool.map(lambda k: _finding(predictions, k, drawn), range(len(value)))
        both = list(tqdm(parts, desc="intervals", total=len(value), unit="finding", leave=False, disable=None))
    present = np.zeros((predictions.n_patients, len(value)), dtype=bool)
    np.logical_or.at(present, predictions.patient_index, ~np.isnan(predictions.labels.numpy()))
    samples, without = np.stack([one[0] for one in both], 1), np.stack([one[1] for one in both], 1)  # (R,K,2), (P,K,2)
    return Resampled(value, samples, without, np.repeat(present[..., None], 2, axis=-1))


def _finding(predictions: Predictions, k: int, drawn: Counts) -> tuple[Samples, FloatArray]:
    """Return the (R,2) values of the resamples and the (P,2) values without each patient."""
    labels = predictions.labels[:, k].numpy()
    known = ~np.isnan(labels)
    order, truth, closes = descending(predictions.ranked[known, k].numpy(), labels[known] == 1)
    patient = predictions.patient_index[known][order]
    blocks = (drawn[:, at : at + BLOCK].copy() for at in range(0, drawn.shape[1], BLOCK))
    samples = [areas(patient, truth, closes, block) for block in blocks]
    without = [areas(patient, truth, closes, all_but(at, len(drawn))) for at in range(0, len(drawn), BLOCK)]
    return np.concatenate(samples).astype(np.float32), np.concatenate(without)


def all_but(start: int, patients: int) -> Counts:
    """Return the (P,b) counts of b resamples with all patients but one, from index ``start`` on.

    >>> all_but(1, 3).tolist()
    [[1, 1], [0, 1], [1, 0]]
    """
    width = min(BLOCK, patients - start)
    counts = np.ones((patients, width), dtype=np.uint8)
    counts[np.arange(start, start + width), np.arange(width)] = 0
    return counts


def descending(values: FloatArray, positive: Bools) -> tuple[NDArray[np.intp], Bools, Bools]:
    """Return the (n,) descending order, the truth in it, and the ends of ties that contain a positive.

    Among ties, positives come first. ``values`` and ``positive`` are (n,).
    """
    order = np.lexsort((~positive, -values))
    ordered, truth = values[order], positive[order]
    last = np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)]
    run = np.cumsum(last) - last  # (n,) number of the run of equals
    return order, truth, last & (np.bincount(run, truth, minlength=1)[run] > 0)


@njit(cache=True, nogil=True, error_model="numpy")
def areas(patient: NDArray[np.intp], positive: Bools, closes: Bools, times: Counts) -> FloatArray:
    """Return the (b,2) AUROC and average precision (AP) of each resample.

    ``patient``, ``positive`` and ``closes`` (ends of ties) are (n,) in descending order of the scores; ``times`` (P,b)
    counts. A tied pair counts half. AP is the sum over thresholds of the gain in recall times the precision.
    """
    width = times.shape[1]
    true, false, before = np.zeros(width), np.zeros(width), np.zeros(width)
    pairs, gained = np.zeros(width), np.zeros(width)
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
            scores[r, 0], scores[r, 1] = pairs[r] / (2 * true[r] * false[r]), gained[r] / true[r]
    return scores
