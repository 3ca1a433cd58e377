"""Test whether the scores depend on a shortcut besides the finding, and whether maps show it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from benchmark.scoring.protocols.base import FLAT, Case, Result, case_index, common_columns, failures, finite_map
from benchmark.scoring.protocols.energy import inside
from benchmark.scoring.protocols.pointing import distance
from benchmark.scoring.statistics.summary import Column, Estimate, difference, estimate, scores
from benchmark.scoring.surface import surface
from benchmark.training.metrics.predictions import Predictions
from benchmark.training.metrics.ranking import METRICS, resampled
from benchmark.validity.base import Check, RunOnSubset, subset_runs
from benchmark.validity.shortcut.tokens import load_or_predict_logits, token_rates
from core.errors import DataError
from core.names import CLASSIFIER
from core.types import FloatArray

PLACES = ("token", "finding")


class Shortcut(Check):
    """Effect of a phantom's corner token, which is correlated with one finding, on the network's scores and maps.

    For the ``classifier``: ``auroc@drawn``, ``auroc@none`` (without tokens) and ``auroc@flipped`` (tokens on images
    without the finding) on the same test patients, and the paired changes from the first. For a method, on images with
    the finding and the token: ``peak@token`` and ``peak@finding``, the shares of maps with their peak there, and
    ``energy@token`` and ``energy@finding``, the mean shares of the map's positive integral. Both parts are needed,
    because maps may not show a shortcut on which the scores depend.
    """

    name = "shortcut"

    def evaluate(self, method: str, seed: int) -> Result:
        """Return the classifier's AUROC with tokens as drawn, without and exchanged, or a method's peaks and energy."""
        if method == CLASSIFIER:
            return self._scores(seed)
        finding, _, _ = token_rates(self.trained[0].config)
        cases = [case for case in self.cases(method, self._tokened(finding), "with token") if case.finding == finding]
        tokens = {sample.image_id: sample.meta["token"] for run in self.trained for sample in run.scorable_images}
        rows = [_row(case, np.asarray([tokens[case.image_id]], dtype=np.float64)) for case in cases]
        estimates = estimate(_columns(rows), case_index(cases), [finding], seed)
        return Result(scores(estimates, [finding]), rows, {}, failures(cases, [str(row["reason"]) for row in rows]))

    def _scores(self, seed: int) -> Result:
        parts = [load_or_predict_logits(run, self.folder) for run in self.trained]
        values = {name: np.concatenate([part[0][name] for part in parts]) for name in parts[0][0]}
        labels = np.concatenate([part[1] for part in parts])
        patients = [patient for part in parts for patient in part[2]]
        return Result(scores(compared(values, labels, patients, self.findings, seed), self.findings), [])

    def _tokened(self, finding: str) -> list[RunOnSubset]:
        """Return the training runs with the images that have the finding and a token; ``DataError`` without any."""
        scorable = (sample for run in self.runs for sample in run.scorable_images)
        both = [sample for sample in scorable if finding in sample.boxes and sample.meta["token"] is not None]
        if not both:
            name = self.trained[0].config.dataset
            raise DataError(f"no test image of {name} has both {finding} and the corner marker: use more test images")
        return subset_runs(self.trained, both)


def _row(case: Case, token: FloatArray) -> dict[str, Any]:
    """Return the row of a case; a flat or failed map has no peak, a map without positive values no energy."""
    map_surface, reason = case.load_surface
    places = {"token": token, "finding": case.boxes}
    peaks = {
        f"peak@{name}": map_surface is not None and distance(map_surface.peak, boxes) == 0
        for name, boxes in places.items()
    }
    energies = {f"energy@{name}": _energy(case, reason, boxes) for name, boxes in places.items()}
    return {**common_columns(case, reason), **peaks, **energies}


def _energy(case: Case, reason: str, boxes: FloatArray) -> float | None:
    values, _ = finite_map(case)
    if values is None or (reason and reason != FLAT):
        return None
    share = inside(surface(np.maximum(values, 0), case.frame, case.grid), boxes)
    return None if np.isnan(share) else share


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Return the columns of peaks and energy; rows without a value do not count."""
    names = [f"{what}@{where}" for what in ("peak", "energy") for where in PLACES]
    values = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in names}
    return [Column(name, "none", np.nan_to_num(v), np.isfinite(v).astype(np.float64)) for name, v in values.items()]


def compared(
    logits: Mapping[str, FloatArray], labels: FloatArray, patients: Sequence[str], findings: Sequence[str], seed: int
) -> list[Estimate]:
    """Return the AUROC of each variant of the tokens and its change from the first variant.

    ``logits``: variant -> (N,K); ``labels``: (N,K). Metrics are ``auroc@VARIANT`` and ``change@auroc@VARIANT``. AUROC
    is the share of (positive, negative) pairs of images whose positive has the larger logit; ties count half. It is nan
    for a finding with one class only. All variants use the same 10,000 resamples of patients.
    """
    counts = np.array([np.isfinite(column).sum() for column in labels.T], dtype=np.int64)
    truth, names = torch.from_numpy(labels), tuple(findings)
    estimates = []
    for name, values in logits.items():
        predictions = Predictions(names, torch.from_numpy(values), truth, patients)
        auroc = resampled(predictions, seed)[:, METRICS.index("auroc")]
        estimates.append(Estimate(f"auroc@{name}", "none", auroc.value, counts, auroc))
    first, *others = estimates
    return [first, *others, *(difference(other, first, f"change@{other.metric}") for other in others)]
