"""Our own leaderboard: one box per case, at a threshold that its own patient did not choose."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark import thresholds
from benchmark.protocols.base import Case, Protocol, Result, failures, identity, prepare, with_truth
from benchmark.protocols.pointing import distance
from benchmark.records.record import Origin
from benchmark.statistics.bootstrap import resample
from benchmark.statistics.summary import Column, Estimate, difference, estimate, scores
from benchmark.surface import Surface, all_boxes, peak_boxes
from core.boxes import iobb, iou
from core.types import FloatArray

LEVELS = np.arange(100) / 100
HALF = 50
SELECT = 0.3


class Locus(Protocol):
    """Share of cases whose one box has IoU > .3 with a truth box of the finding, mean over findings (``hit@iou.3``).

    A map is scaled to [0,1]; the component of the surface that holds the highest vertex gives the box, so truth selects
    nothing. The threshold, one of 0, .01 … .99, is chosen per finding by ``hit@iou.3`` (ties: mean IoU, then the lowest)
    on other patients (``cross-fitted``), on the very cases (``oracle``) or not at all (``fixed``: .5). ``optimism`` is
    oracle − cross-fitted. ``anyhit@iou.3`` is the share of truth boxes that the box of any component hits, with
    ``boxes_per_case`` beside it: many boxes hit by chance. A case without a box is a miss with IoU 0.
    """

    name = "locus"

    def evaluate(self, cases: Sequence[Case], findings: Sequence[str], seed: int = 0) -> Result:
        """All metrics at the three origins, ``pointing`` without one; a row per case at its cross-fitted threshold."""
        kept = [case for case in with_truth(cases) if case.finding in findings]
        swept = _sweep(kept)
        of, patients = [c.finding for c in kept], [c.patient_id for c in kept]
        chosen = _choose(swept, of, patients, seed)
        columns = [column for origin in chosen for column in _columns(swept, kept, chosen, origin)]
        columns.append(Column("pointing", "none", swept.pointing, np.ones(len(kept))))
        found = estimate(columns, of, patients, findings, seed)
        found = _choose_again(found, swept, of, patients, findings, seed)
        stated = {origin: thresholds.stated(index, LEVELS.tolist(), of) for origin, index in chosen.items()}
        rows = [_row(case, swept, n, chosen) for n, case in enumerate(kept)]
        return Result(scores(found, findings), rows, stated, failures(kept, swept.reasons))


@dataclass(frozen=True, eq=False)
class Sweep:
    """N cases × T thresholds: the peak component's box and its overlaps, 0 where there is none."""

    surfaces: list[Surface | None]
    reasons: list[str]
    boxes: FloatArray
    """(N,T,4) in each case's frame; nan where nothing is above the threshold."""
    iou: FloatArray
    """(N,T) with the best truth box."""
    iobb: FloatArray
    """(N,T)."""
    pointing: FloatArray
    """(N,) 0 or 1."""

    @property
    def hits(self) -> NDArray[np.bool_]:
        """(N,T) by which thresholds are chosen."""
        return self.iou > SELECT


def _sweep(cases: Sequence[Case]) -> Sweep:
    ready = [prepare(case) for case in cases]
    nothing = np.full((len(LEVELS), 4), np.nan)
    boxes = [nothing if on is None else peak_boxes(on, LEVELS) for on, _ in ready]
    overlaps = [[_best(measure(b, case.boxes)) for b, case in zip(boxes, cases, strict=True)] for measure in (iou, iobb)]
    pointing = [on is not None and distance(on.peak, case.boxes) == 0 for (on, _), case in zip(ready, cases, strict=True)]
    shape = (len(cases), len(LEVELS))
    first, second = (np.array(values, dtype=np.float64).reshape(shape) for values in overlaps)
    every = np.array(boxes, dtype=np.float64).reshape(*shape, 4)
    return Sweep([on for on, _ in ready], [why for _, why in ready], every, first, second, np.array(pointing, dtype=np.float64))


def _best(overlaps: FloatArray) -> FloatArray:
    """(T,M) -> (T,) the best truth box's overlap; 0 without a box."""
    return np.nan_to_num(overlaps).max(1)


def _choose(swept: Sweep, of: Sequence[str], patients: Sequence[str], seed: int) -> dict[Origin, thresholds.Index]:
    return {
        "cross-fitted": thresholds.cross_fitted(swept.hits, swept.iou, of, patients, HALF, seed),
        "oracle": thresholds.oracle(swept.hits, swept.iou, of),
        "fixed": thresholds.fixed(HALF, len(of)),
    }


def _columns(swept: Sweep, cases: Sequence[Case], chosen: dict[Origin, thresholds.Index], origin: Origin) -> list[Column]:
    index, every = chosen[origin], np.arange(len(cases))
    overlap, share, one = swept.iou[every, index], swept.iobb[every, index], np.ones(len(cases))
    hits = [Column(f"hit@iou.{tenth}", origin, overlap > tenth / 10, one) for tenth in (1, 3, 5)]
    hits += [Column(f"hit@iobb.{tenth}", origin, share > tenth / 10, one) for tenth in (1, 5)]
    hit, boxes = _any(swept, cases, index)
    truths = np.array([len(case.boxes) for case in cases], dtype=np.float64)
    many = [Column("anyhit@iou.3", origin, hit, truths), Column("boxes_per_case", origin, boxes, one)]
    return [*hits, Column("mean_iou", origin, overlap, one), *many]


def _any(swept: Sweep, cases: Sequence[Case], index: thresholds.Index) -> tuple[FloatArray, FloatArray]:
    """(N,) truth boxes hit by the box of any component, and (N,) how many boxes there are."""
    hit, boxes = np.zeros(len(cases)), np.zeros(len(cases))
    for n, (on, case) in enumerate(zip(swept.surfaces, cases, strict=True)):
        if on is not None:
            found, _ = all_boxes(on, LEVELS[index[n]])
            hit[n] = (iou(found, case.boxes) > SELECT).any(0).sum()
            boxes[n] = len(found)
    return hit, boxes


def _choose_again(
    found: list[Estimate], swept: Sweep, of: Sequence[str], patients: Sequence[str], findings: Sequence[str], seed: int
) -> list[Estimate]:
    """Oracle intervals: the threshold is chosen again in each resample, for the main column; the others have no interval."""
    if not len(of):
        return found
    hits = swept.hits.astype(np.float64)
    samples = resample(hits, np.ones_like(hits), of, patients, tuple(findings), seed).max(2)  # (R, F)
    out = [
        Estimate(e.metric, e.origin, e.value, e.n, samples if e.metric == "hit@iou.3" else None) if e.origin == "oracle" else e
        for e in found
    ]
    main = {e.origin: e for e in out if e.metric == "hit@iou.3"}
    return [*out, difference(main["oracle"], main["cross-fitted"], "optimism")]


def _row(case: Case, swept: Sweep, n: int, chosen: dict[Origin, thresholds.Index]) -> dict[str, object]:
    at = int(chosen["cross-fitted"][n])
    box = [float(edge) if np.isfinite(edge) else None for edge in swept.boxes[n, at]]
    place = dict(zip(("x0", "y0", "x1", "y1"), box, strict=True))
    scored = {"iou": float(swept.iou[n, at]), "iobb": float(swept.iobb[n, at]), "hit@iou.3": bool(swept.hits[n, at])}
    others = {f"iou_{origin}": float(swept.iou[n, chosen[origin][n]]) for origin in ("oracle", "fixed")}
    return {
        **identity(case, swept.reasons[n]),
        "threshold": float(LEVELS[at]),
        **place,
        **scored,
        "pointing": bool(swept.pointing[n]),
        **others,
    }
