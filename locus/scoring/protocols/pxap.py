"""PxAP: pixel-wise average precision of raw heat maps."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from locus.core.errors import BadValueError
from locus.core.types import FloatArray
from locus.scoring.pixels import MAP_SIDE, score_thresholds, truth_mask
from locus.scoring.protocols import base
from locus.scoring.protocols.base import Cases, Result
from locus.scoring.protocols.maxbox import STEP, map_224
from locus.scoring.statistics.resample import CaseIndex, Sums, by_patient, resample_over
from locus.scoring.statistics.summary import FindingEstimates, scores
from locus.scoring.surface import as_heat_map

LAST_BIN_EDGES = [1.0, 2.0, 3.0]
"""Last bin edges of the source: a separate bin for the score 1, and an empty bin."""


class PxAP(base.Protocol):
    """Average precision over the pooled pixels of all cases of a finding; no threshold is chosen.

    Maps are min-max scaled on 224×224 pixels; truth pixels come from the mask, or from the boxes if there is no mask.
    Records contain a share; ``pxap()`` returns per cent, as the source does. A flat or failed map counts as 0
    everywhere; if all maps do, the value is the share of truth pixels. Choe et al., CVPR 2020, section 4.2.
    """

    name = "pxap"
    main = "pxap"
    geometry = "pixels"

    def evaluate(
        self, cases: Cases, findings: Sequence[str], seed: int = 0, validation: Cases = ()
    ) -> Result:
        """Return ``pxap`` per finding; rows with the ``pxap`` of each case and its share of truth pixels."""
        scored = base.of_findings(cases, findings)
        histograms = [counted(case) for case in base.with_bar(scored)]
        counts = [count for count, _ in histograms]
        reasons = [reason for _, reason in histograms]
        case_counts = np.array(
            [sum(case.finding == finding for case in scored) for finding in findings],
            dtype=np.int64,
        )
        sums = patient_counts(counts, base.case_index(scored), findings) if scored else None
        resampled = None if sums is None else resample_over(sums, pooled_precision, seed)
        value = np.full(len(findings), np.nan) if resampled is None else resampled.value
        columns = {
            "pxap": [average_precision(c) for c in counts],
            "truth": [c[1].sum() / c.sum() for c in counts],
        }
        estimate = FindingEstimates("pxap", "none", value, case_counts, resampled)
        return Result(
            scores([estimate], findings),
            base.rows(scored, reasons, columns),
            {},
            base.failures(scored, reasons),
        )


def counted(case: base.Case) -> tuple[FloatArray, str]:
    """Return the pixel counts (2,B) of a case, as in ``histogram``, and the reason for a missing map."""
    values, reason = map_224(case)
    filled = np.zeros((MAP_SIDE, MAP_SIDE), dtype=np.float32) if values is None else values
    return histogram(filled, truth_mask(case.boxes, case.frame, case.mask), STEP), reason


def pxap(maps: Iterable[ArrayLike], masks: Iterable[ArrayLike], step: float = STEP) -> float:
    """Return the average precision, in per cent, over all pixels of maps (H,W) in [0,1] with truth masks (H,W).

    Bins are [i·step, (i+1)·step), plus one for the score 1. Precision and recall are computed from the highest bin
    down, without empty bins; nan without a truth pixel, also if there are no maps. Raises ``BadValueError`` for a map
    outside [0,1] or a mask of another shape.

    >>> pxap([[[1, .5], [.5, 0]]], [[[1, 1], [0, 0]]])
    83.33333333333333
    """
    counts = np.zeros((2, len(_bin_edges(step)) - 1))
    for values, mask in zip(maps, masks, strict=True):
        counts += histogram(np.asarray(values), np.asarray(mask, dtype=bool), step)
    return float(average_precision(counts) * 100)


def _bin_edges(step: float) -> FloatArray:
    return np.append(score_thresholds(step), LAST_BIN_EDGES)


def histogram(values: NDArray[np.generic], mask: NDArray[np.bool_], step: float) -> FloatArray:
    """Count a map's pixels outside and inside the truth in each bin of ``pxap``: (2,B)."""
    array = as_heat_map(values)
    edges = _bin_edges(step)
    if array.shape != mask.shape or array.min() < 0 or array.max() > 1:
        span = f"from {array.min():g} to {array.max():g} with a mask of shape {mask.shape}"
        wrong = f"a map of shape {array.shape} {span}"
        raise BadValueError(f"{wrong}: scale the map to [0, 1] and give both the same shape")
    bins = len(edges) - 1
    index = np.searchsorted(edges, array.ravel(), side="right") - 1
    return (
        np.bincount(index + bins * mask.ravel(), minlength=2 * bins)
        .reshape(2, bins)
        .astype(np.float64)
    )


def average_precision(counts: NDArray[np.floating]) -> FloatArray:
    """Return the average precision (...) of false and true pixels (...,2,B) per bin, ascending; nan without truth."""
    false, true = (counts[..., side, ::-1].cumsum(-1) for side in (0, 1))
    selected = false + true
    all_true = true[..., -1:]
    precision = np.divide(true, selected, out=np.zeros_like(true), where=selected > 0)
    recall = np.divide(true, all_true, out=np.full_like(true, np.nan), where=all_true > 0)
    return np.asarray((precision[..., 1:] * np.diff(recall)).sum(-1))


def patient_counts(counts: Sequence[FloatArray], index: CaseIndex, findings: Sequence[str]) -> Sums:
    """Return the counts (2,B) of N cases summed by patient and finding, flattened (P,F,2B)."""
    flat = np.reshape(counts, (len(index), -1))
    unit_weights = np.ones_like(flat)  # a scale per case, which precision ignores
    return by_patient(flat, unit_weights, index.findings, index.patients, findings)


def pooled_precision(values: FloatArray) -> FloatArray:
    """Return the average precision (...) of flattened counts (...,2B)."""
    return average_precision(values.reshape(*values.shape[:-1], 2, -1))
