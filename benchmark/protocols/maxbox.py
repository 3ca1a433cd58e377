"""MaxBoxAcc and MaxBoxAccV2: the share of cases whose box fits, at the score threshold that fits best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from benchmark.protocols import contours as source
from benchmark.protocols.base import Case, Protocol, Result, failures, identity, with_truth
from benchmark.protocols.pixels import SIDE, painted, truncated
from benchmark.protocols.tried import Tried
from benchmark.records.record import Origin
from benchmark.statistics.summary import Column, difference, estimate, scores
from core.boxes import as_boxes, iou
from core.errors import BadValueError
from core.frames import scale_boxes
from core.types import FloatArray

STEP = 0.01
LEVELS = source.score_thresholds(STEP)
METRICS = {
    "maxboxacc": ("largest", (0.5,)),
    "maxboxaccv2": ("every", (0.3, 0.5, 0.7)),
    **{f"maxboxaccv2@iou.{tenth}": ("every", (tenth / 10,)) for tenth in (3, 5, 7)},
}
"""Metric -> which curve of a case, and the IoU thresholds over which the mean is taken, each with its own score threshold."""
ORIGINS: tuple[Origin, ...] = ("cross-fitted", "oracle")


class MaxBox(Protocol):
    """Share of cases with IoU >= δ: MaxBoxAcc (one box, δ = .5) and MaxBoxAccV2 (any box, mean over δ = .3, .5, .7).

    At 224×224 pixels and 100 score thresholds, as the source counts (``contours``): the box of the contour with the largest
    polygon area for MaxBoxAcc, the best of all contours, inner ones included, for V2, which has a threshold per δ. The
    source takes the threshold that is best on the very cases (``oracle``); so do we, per finding, and beside it the one
    that is best on other patients (``cross-fitted``; ties: mean IoU, then the lowest). ``optimism@…`` is their difference.

    A flat map keeps the source's answer, the box of the first pixel. The map is interpolated bilinearly on its grid,
    the source's is cubic. Choe et al., "Evaluating weakly supervised object localization methods right", CVPR 2020,
    section 4; V2: arXiv 2007.04178.
    """

    name = "maxbox"
    geometry = "pixels"

    def evaluate(self, cases: Sequence[Case], findings: Sequence[str], seed: int = 0) -> Result:
        """``maxboxacc``, ``maxboxaccv2`` and its three parts at both origins, their optimism; a row per case."""
        kept = [case for case in with_truth(cases) if case.finding in findings]
        seen = [_curves(case) for case in kept]
        of, patients = [c.finding for c in kept], [c.patient_id for c in kept]
        overlap = {kind: np.array([getattr(c, kind) for c in seen]).reshape(len(kept), len(LEVELS)) for kind in ("largest", "every")}
        tried = {metric: Tried(overlap[kind], deltas, LEVELS, of, patients, seed) for metric, (kind, deltas) in METRICS.items()}
        columns = [Column(metric, origin, t.hits(origin), np.ones(len(kept))) for metric, t in tried.items() for origin in ORIGINS]
        found = {(e.metric, e.origin): e for e in estimate(columns, of, patients, findings, seed)}
        for metric, t in tried.items():
            found[metric, "oracle"] = t.chosen_again(found[metric, "oracle"], of, patients, findings, seed)
        gaps = [difference(found[m, "oracle"], found[m, "cross-fitted"], f"optimism@{m}") for m in ("maxboxacc", "maxboxaccv2")]
        rows = [_row(case, curves, *at) for case, curves, at in zip(kept, seen, _of_each_case(tried), strict=True)]
        return Result(
            scores([*found.values(), *gaps], findings),
            rows,
            {o: _stated(tried, o, of) for o in ORIGINS},
            failures(kept, [c.reason for c in seen]),
        )


def sweep(map: ArrayLike, truth: ArrayLike, step: float = STEP, contours: Literal["largest", "all"] = "largest") -> FloatArray:  # noqa: A002
    """(H,W) map in [0,1], (M,4) truth boxes in pixels of the map -> (T,) best IoU at the score thresholds i·step below 1.

    By the source's conventions, of the box of the contour with the largest polygon area or of ``all`` contours. Truth
    boxes are house boxes (half-open); corners that are no whole pixels are truncated as the source does.
    Raises ``BadValueError`` for a map outside [0,1], a bad step or word, and without a truth box.

    >>> spot = np.zeros((8, 8))
    >>> spot[2:5, 2:5] = 1
    >>> sweep(spot, [[2, 2, 6, 6]], step=.5).tolist()  # the source's boxes reach one pixel too far
    [1.0, 1.0]
    """
    if contours not in ("largest", "all"):
        raise BadValueError(f"unknown contours {contours!r}: write 'largest' or 'all'")
    boxes = as_boxes(truth)
    if not len(boxes):
        raise BadValueError("a sweep got no truth box: give at least one, (M,4) in pixels of the map")
    corners = np.trunc(boxes - source.PIXEL) + source.PIXEL
    found = source.Contours(map, step)
    return found.every(corners) if contours == "all" else iou(found.largest(), corners).max(1)


@dataclass(frozen=True, eq=False)
class _Curves:
    """A case at each of the T score thresholds; without box and overlap where it failed."""

    boxes: FloatArray
    """(T,4) of the largest contour, in the case's frame."""
    largest: FloatArray
    """(T,) its best IoU with a truth box."""
    every: FloatArray
    """(T,) the best IoU of any contour's box."""
    reason: str


def _curves(case: Case) -> _Curves:
    picture, reason = painted(case)
    if picture is None:
        return _Curves(np.full((len(LEVELS), 4), np.nan), np.zeros(len(LEVELS)), np.zeros(len(LEVELS)), reason)
    found, truth = source.Contours(picture, STEP), truncated(case.boxes, case.frame) + source.PIXEL
    boxes = found.largest()
    return _Curves(scale_boxes(boxes, (SIDE, SIDE), case.frame), iou(boxes, truth).max(1), found.every(truth), reason)


def _stated(tried: Mapping[str, Tried], origin: Origin, of: Sequence[str]) -> dict[str, dict[str, list[list[object]]]]:
    """Finding -> metric -> per IoU threshold the score thresholds that were chosen."""
    known = {metric: t.stated(origin, of) for metric, t in tried.items()}
    return {finding: {metric: known[metric][finding] for metric in known} for finding in sorted(set(of))}


def _of_each_case(tried: Mapping[str, Tried]) -> list[tuple[int, int, dict[str, bool]]]:
    """MaxBoxAcc's cross-fitted and oracle threshold of each case, and whether any box hits at V2's cross-fitted ones."""
    crossed, best = (tried["maxboxacc"].chosen[origin][:, 0].tolist() for origin in ORIGINS)
    hits = {f"any@iou.{tenth}": tried[f"maxboxaccv2@iou.{tenth}"].hits("cross-fitted") > 0 for tenth in (3, 5, 7)}
    return [(*at, {name: bool(hit[n]) for name, hit in hits.items()}) for n, at in enumerate(zip(crossed, best, strict=True))]


def _row(case: Case, curves: _Curves, at: int, best: int, hits: Mapping[str, bool]) -> dict[str, Any]:
    box = [float(edge) if np.isfinite(edge) else None for edge in curves.boxes[at]]
    place = dict(zip(("x0", "y0", "x1", "y1"), box, strict=True))
    overlap = float(curves.largest[at])
    scored = {"iou": overlap, "iou_oracle": float(curves.largest[best]), "hit@iou.5": overlap >= 0.5}
    return {**identity(case, curves.reason), "threshold": float(LEVELS[at]), **place, **scored, **hits}
