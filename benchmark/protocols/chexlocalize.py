"""Segmentation by a threshold, as CheXlocalize scores saliency maps against radiologists' masks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark import thresholds
from benchmark.protocols.base import Case, Protocol, Result, failures, identity, prepare
from benchmark.records.record import Origin
from benchmark.segment import Segmented, interior, segment
from benchmark.statistics.bootstrap import resample
from benchmark.statistics.patients import by_patient
from benchmark.statistics.summary import Column, Estimate, difference, estimate, scores
from core.types import FloatArray

LEVELS = np.arange(0.2, 0.8, 0.1)
"""As the source writes it; in floating point .8 is among them."""
HALF = 3
OTSU = len(LEVELS)
"""Where a case's own threshold stands behind the fixed ones."""


class CheXlocalize(Protocol):
    """Mask IoU of {map > threshold} on the frame's pixels, and the hit rate of the map's maximum.

    The map is painted on the frame and scaled to [0,1] there. The threshold, one of .2, .3 … .8, is chosen per finding by
    mean IoU, ``cross-fitted`` by patient and as ``oracle`` (the source: on its validation split), or is the map's own by
    ``otsu``, on 256 levels. ``mask_iou`` is the mean over the cases where truth and prediction are both non-empty, so a flat
    or failed map is left out. ``mask_iou_all`` is the mean over those where either is: a miss or a false alarm counts as 0,
    and every map that is not flat is an alarm. ``hit_rate``: the first maximum in row-major order lies in the truth.
    Names end in ``@box`` where boxes stand in for masks: the pixels whose centre lies in one. ``optimism`` is oracle −
    cross-fitted. Saporta et al., "Benchmarking saliency methods for chest X-ray interpretation", Nature Machine
    Intelligence 2022, Methods.
    """

    name = "chexlocalize"
    geometry = "pixels"

    def evaluate(self, cases: Sequence[Case], findings: Sequence[str], seed: int = 0) -> Result:
        """``mask_iou`` and ``mask_iou_all`` at each origin, ``hit_rate``, ``optimism``; a row per case with truth."""
        kept = sorted((c for c in cases if c.finding in findings), key=lambda case: not len(case.boxes))
        seen = _see(kept)
        of, patients = [c.finding for c in kept], [c.patient_id for c in kept]
        chosen = _choose(seen, of, patients, seed)
        columns = [column for origin, index in chosen.items() for column in _columns(seen, origin, index)]
        columns.append(Column("hit_rate", "none", seen.hit, seen.truth))
        found = _choose_again(estimate(columns, of, patients, findings, seed), seen, of, patients, findings, seed)
        word = "" if all(case.mask is not None for case in kept if len(case.boxes)) else "@box"
        found = [replace(e, metric=e.metric + word) for e in found]
        rows = [_row(case, seen, n, chosen) for n, case in enumerate(kept) if len(case.boxes)]
        return Result(scores(found, findings), rows, _stated(seen, chosen, of), failures(kept, seen.reasons))


@dataclass(frozen=True, eq=False)
class Seen:
    """N cases, those with truth first, × T thresholds and Otsu's."""

    reasons: list[str]
    truth: FloatArray
    """(N,) 1 where there is truth."""
    drawn: FloatArray
    """(N,) 1 where the prediction has pixels: at every threshold below 1, if the map is not flat."""
    iou: FloatArray
    """(N,T+1); 0 where either mask is empty."""
    otsu: list[float | None]
    hit: NDArray[np.bool_]


def _see(cases: Sequence[Case]) -> Seen:
    ready = [prepare(case) for case in cases]
    found = [_segment(case) if on is not None and len(case.boxes) else None for (on, _), case in zip(ready, cases, strict=True)]
    truth = np.array([len(case.boxes) > 0 for case in cases], dtype=np.float64)
    drawn = np.array([on is not None for on, _ in ready], dtype=np.float64)
    iou = np.array([np.zeros(OTSU + 1) if one is None else np.nan_to_num(one.iou) for one in found]).reshape(len(cases), OTSU + 1)
    otsu = [None if one is None else one.otsu for one in found]
    return Seen([why for _, why in ready], truth, drawn, iou, otsu, np.array([one is not None and one.hit for one in found], dtype=bool))


def _segment(case: Case) -> Segmented:
    mask = interior(case.boxes, case.frame) if case.mask is None else case.mask
    return segment(case.map, case.grid, mask, LEVELS)  # type: ignore[arg-type]  # a case without a map is not segmented


def _choose(seen: Seen, of: Sequence[str], patients: Sequence[str], seed: int) -> dict[Origin, thresholds.Index]:
    """(N,) index of each case's threshold; only cases with truth choose, and mean IoU alone decides."""
    n = int(seen.truth.sum())
    quality, no_hit = seen.iou[:n, :OTSU], np.zeros((n, OTSU), dtype=bool)
    rest = thresholds.fixed(HALF, len(of) - n)
    return {
        "cross-fitted": np.append(thresholds.cross_fitted(no_hit, quality, of[:n], patients[:n], HALF, seed), rest),
        "oracle": np.append(thresholds.oracle(no_hit, quality, of[:n]), rest),
        "otsu": thresholds.fixed(OTSU, len(of)),
    }


def _columns(seen: Seen, origin: Origin, index: thresholds.Index) -> list[Column]:
    overlap = seen.iou[np.arange(len(index)), index]
    either = np.maximum(seen.truth, seen.drawn)
    return [Column("mask_iou", origin, overlap, seen.truth * seen.drawn), Column("mask_iou_all", origin, overlap, either)]


def _choose_again(
    found: list[Estimate], seen: Seen, of: Sequence[str], patients: Sequence[str], findings: Sequence[str], seed: int
) -> list[Estimate]:
    """Oracle intervals: the threshold is chosen again in each resample, for ``mask_iou``; ``mask_iou_all`` has none there."""
    main = {e.origin: e for e in found if e.metric == "mask_iou"}
    if len(of):
        whole = np.repeat((seen.truth * seen.drawn)[:, None], OTSU, 1)
        sums = by_patient(seen.iou[:, :OTSU] * whole, whole, of, patients, findings)
        main["oracle"] = replace(main["oracle"], samples=resample(sums, seed).over(lambda values: values.max(-1)))
    kept = [main[e.origin] if e.metric == "mask_iou" else replace(e, samples=None) if e.origin == "oracle" else e for e in found]
    return [*kept, difference(main["oracle"], main["cross-fitted"], "optimism")]


def _stated(seen: Seen, chosen: dict[Origin, thresholds.Index], of: Sequence[str]) -> dict[Origin, Any]:
    n = int(seen.truth.sum())
    return {o: thresholds.stated(chosen[o][:n], LEVELS.round(6).tolist(), of[:n]) for o in ("cross-fitted", "oracle")}


def _row(case: Case, seen: Seen, n: int, chosen: dict[Origin, thresholds.Index]) -> dict[str, object]:
    overlap = {origin: float(seen.iou[n, index[n]]) for origin, index in chosen.items()}
    return {
        **identity(case, seen.reasons[n]),
        "truth": "box" if case.mask is None else "mask",
        "threshold": float(LEVELS[chosen["cross-fitted"][n]].round(6)),
        "threshold_otsu": seen.otsu[n],
        "iou": overlap["cross-fitted"],
        "iou_oracle": overlap["oracle"],
        "iou_otsu": overlap["otsu"],
        "hit_rate": bool(seen.hit[n]),
    }
