"""The adaptive threshold of the project that this one grew from, repaired."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark import thresholds
from benchmark.protocols.base import Case, Protocol, Result, failures, identity, prepare, with_truth
from benchmark.records.record import Origin
from benchmark.statistics.summary import Column, estimate, scores
from benchmark.surface import Surface, all_boxes
from core.boxes import as_boxes, iou
from core.types import FloatArray

RULE = (1.95, 0.6)
GRID = [(float(f), float(h)) for f in np.linspace(1.4, 2.2, 7).round(6) for h in np.linspace(0.5, 0.9, 7).round(6)]
RULES = [*GRID, RULE]
LEVELS = (0.1, 0.2, 0.25, 0.3, 0.4, 0.5)
SELECT = 0.3


class Seed(Protocol):
    """Boxes of all components of {map > min(factor · mean, high)}, for a map scaled to [0,1].

    Per case the largest IoU of any box with any truth box, and the union's IoBB: the share of the boxes' union that lies
    in the union of the truth boxes. Shares of cases at ≥ .1 .2 .25 .3 .4 .5, the share without any overlap, mean IoU and
    IoBB. Factor 1.95 and high .6 are ``fixed``; the 7×7 grid around them is chosen ``cross-fitted`` by patient and as
    ``oracle``. The mean is that of the surface over the frame. A case without a box has IoU 0 and no IoBB (0/0).
    """

    name = "seed"

    def evaluate(self, cases: Sequence[Case], findings: Sequence[str], seed: int = 0) -> Result:
        """``hit@iou.1`` …, ``hit@iobb.1`` …, ``no_overlap``, ``mean_iou``, ``mean_iobb`` at each origin; a row per case."""
        kept = [case for case in with_truth(cases) if case.finding in findings]
        ready = [prepare(case) for case in kept]
        quality = np.array([_largest(on, case) for (on, _), case in zip(ready, kept, strict=True)]).reshape(len(kept), len(RULES))
        of, patients = [c.finding for c in kept], [c.patient_id for c in kept]
        hits, choice = quality[:, : len(GRID)] >= SELECT, quality[:, : len(GRID)]
        default = len(GRID) // 2
        chosen: dict[Origin, thresholds.Index] = {
            "fixed": thresholds.fixed(len(GRID), len(kept)),
            "cross-fitted": thresholds.cross_fitted(hits, choice, of, patients, default, seed),
            "oracle": thresholds.oracle(hits, choice, of),
        }
        rows = {
            origin: [_row(case, *r, RULES[i]) for case, r, i in zip(kept, ready, index, strict=True)] for origin, index in chosen.items()
        }
        columns = [column for origin in chosen for column in _columns(rows[origin], origin)]
        estimates = estimate(columns, of, patients, findings, seed)
        stated = {origin: thresholds.stated(index, [list(rule) for rule in RULES], of) for origin, index in chosen.items()}
        return Result(scores(estimates, findings), rows["fixed"], stated, failures(kept, [reason for _, reason in ready]))


def union_iobb(boxes: ArrayLike, truth: ArrayLike) -> float | None:
    """Share of the area of the union of (P,4) boxes that lies in the union of (M,4) truth boxes; None without a box.

    >>> union_iobb([[0, 0, 2, 2], [1, 0, 3, 2]], [[0, 0, 9, 1]])
    0.5
    """
    edges = np.concatenate([as_boxes(boxes), as_boxes(truth)])
    x, y = np.unique(edges[:, 0::2]), np.unique(edges[:, 1::2])
    area = np.diff(y)[:, None] * np.diff(x)[None]
    predicted, true = (covered(some, x, y) for some in (boxes, truth))
    total = area[predicted].sum()
    return float(area[predicted & true].sum() / total) if total > 0 else None


def covered(boxes: ArrayLike, x: FloatArray, y: FloatArray) -> NDArray[np.bool_]:
    """(len(y) - 1, len(x) - 1) which cells between neighbouring edges any of the (M,4) boxes covers; all their edges are in x and y."""
    out = np.zeros((len(y) - 1, len(x) - 1), dtype=bool)
    for x0, y0, x1, y1 in as_boxes(boxes):
        out[np.searchsorted(y, y0) : np.searchsorted(y, y1), np.searchsorted(x, x0) : np.searchsorted(x, x1)] = True
    return out


def _largest(on: Surface | None, case: Case) -> FloatArray:
    """(len(RULES),) the largest IoU under each rule; 0 where there is no box."""
    largest = np.zeros(len(RULES))
    if on is not None:
        levels, place = np.unique(_levels(on), return_inverse=True)
        boxes, index = all_boxes(on, levels)
        per_level = np.zeros(len(levels))
        np.maximum.at(per_level, index, iou(boxes, case.boxes).max(1, initial=0))
        largest = per_level[place]
    return largest


def _levels(on: Surface) -> FloatArray:
    factor, high = np.array(RULES).T
    return np.minimum(factor * on.mean, high)


def _row(case: Case, on: Surface | None, reason: str, rule: tuple[float, float]) -> dict[str, object]:
    known = identity(case, reason)
    if on is None:
        return {**known, "factor": rule[0], "high": rule[1], "threshold": None, "boxes": 0, "iou": 0.0, "iobb": None}
    threshold = min(rule[0] * on.mean, rule[1])
    boxes, _ = all_boxes(on, threshold)
    overlap = float(iou(boxes, case.boxes).max(initial=0))
    numbers = {"factor": rule[0], "high": rule[1], "threshold": threshold, "boxes": len(boxes)}
    return {**known, **numbers, "iou": overlap, "iobb": union_iobb(boxes, case.boxes)}


def _columns(rows: Sequence[dict[str, object]], origin: Origin) -> list[Column]:
    overlap = np.array([row["iou"] for row in rows], dtype=np.float64)
    boxed = np.array([row["iobb"] is not None for row in rows], dtype=np.float64)
    share = np.array([row["iobb"] or 0.0 for row in rows], dtype=np.float64)
    one = np.ones(len(rows))
    shares = [Column(f"hit@iou{level:g}".replace("0.", "."), origin, overlap >= level, one) for level in LEVELS]
    shares += [Column(f"hit@iobb{level:g}".replace("0.", "."), origin, share >= level, one) for level in LEVELS]
    means = [Column("mean_iou", origin, overlap, one), Column("mean_iobb", origin, share, boxed)]
    return [*shares, Column("no_overlap", origin, overlap == 0, one), *means]
