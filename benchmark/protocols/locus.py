"""Our own leaderboard: one box per case, at a threshold that its own patient did not choose."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmark import optimum
from benchmark.optimum import Curve
from benchmark.protocols.base import Case, Protocol, Result, failures, identity, prepare, with_truth
from benchmark.protocols.pointing import distance
from benchmark.records.record import Origin
from benchmark.statistics.bootstrap import resample
from benchmark.statistics.patients import by_patient
from benchmark.statistics.summary import Column, Estimate, difference, estimate, scores
from benchmark.surface import Surface, all_boxes
from benchmark.trace import EMPTY, trace
from core.boxes import iobb, iou
from core.types import FloatArray

HALF = 0.5
SELECT = 0.3


class Locus(Protocol):
    """Share of cases whose one box has IoU > .3 with a truth box of the finding, mean over findings (``hit@iou.3``).

    A map is scaled to [0,1]; the component of the surface that holds the highest vertex gives the box, so truth selects
    nothing. The threshold is the best of all in [0,1) for ``hit@iou.3``, exact and no grid's (the middle of the best range;
    between ranges the larger mean IoU, then the lower), chosen per finding on other patients (``cross-fitted``), on the
    very cases (``oracle``) or not at all (``fixed``: .5). ``optimism`` is oracle − cross-fitted. ``anyhit@iou.3`` is the
    share of truth boxes that the box of any component hits, with ``boxes_per_case`` beside it: many boxes hit by chance.
    A case without a box is a miss with IoU 0.
    """

    name = "locus"

    def evaluate(self, cases: Sequence[Case], findings: Sequence[str], seed: int = 0) -> Result:
        """All metrics at the three origins, ``pointing`` without one; a row per case at its cross-fitted threshold."""
        kept = [case for case in with_truth(cases) if case.finding in findings]
        seen = _see(kept)
        of, patients = [c.finding for c in kept], [c.patient_id for c in kept]
        chosen: dict[Origin, FloatArray] = {
            "cross-fitted": optimum.cross_fitted(seen.curves, of, patients, HALF, seed),
            "oracle": optimum.oracle(seen.curves, of),
            "fixed": np.full(len(kept), HALF),
        }
        at = {origin: _at(seen, kept, levels) for origin, levels in chosen.items()}
        columns = [column for origin in chosen for column in _columns(at[origin], kept, origin)]
        columns.append(Column("pointing", "none", seen.pointing, np.ones(len(kept))))
        found = estimate(columns, of, patients, findings, seed)
        found = _choose_again(found, seen, of, patients, findings, seed)
        stated = {origin: optimum.stated(levels, of) for origin, levels in chosen.items()}
        rows = [_row(case, seen, at, n) for n, case in enumerate(kept)]
        return Result(scores(found, findings), rows, stated, failures(kept, seen.reasons))


@dataclass(frozen=True, eq=False)
class Seen:
    """N cases, before any threshold."""

    surfaces: list[Surface | None]
    reasons: list[str]
    curves: list[Curve]
    pointing: NDArray[np.bool_]
    """(N,)."""


@dataclass(frozen=True, eq=False)
class At:
    """N cases, each at a threshold of its own; overlaps are 0 where there is no box."""

    levels: FloatArray
    """(N,) thresholds."""
    boxes: FloatArray
    """(N,4) the peak component's box in each case's frame; nan where nothing is above."""
    iou: FloatArray
    """(N,) with the best truth box."""
    iobb: FloatArray
    """(N,)."""
    hit: FloatArray
    """(N,) truth boxes hit by the box of any component."""
    count: FloatArray
    """(N,) components."""


def _see(cases: Sequence[Case]) -> Seen:
    ready = [prepare(case) for case in cases]
    curves = [optimum.curve(EMPTY if on is None else trace(on), case.boxes, SELECT) for (on, _), case in zip(ready, cases, strict=True)]
    pointing = [on is not None and distance(on.peak, case.boxes) == 0 for (on, _), case in zip(ready, cases, strict=True)]
    return Seen([on for on, _ in ready], [why for _, why in ready], curves, np.array(pointing, dtype=bool))


def _at(seen: Seen, cases: Sequence[Case], levels: FloatArray) -> At:
    boxes = np.array([one.trace.boxes(level)[0] for one, level in zip(seen.curves, levels, strict=True)]).reshape(-1, 4)
    first, second = (
        np.array([np.nan_to_num(measure(box, case.boxes)).max() for box, case in zip(boxes, cases, strict=True)], dtype=np.float64)
        for measure in (iou, iobb)
    )
    return At(levels, boxes, first, second, *_any(seen, cases, levels))


def _columns(at: At, cases: Sequence[Case], origin: Origin) -> list[Column]:
    one, truths = np.ones(len(cases)), np.array([len(case.boxes) for case in cases], dtype=np.float64)
    hits = [Column(f"hit@iou.{tenth}", origin, at.iou > tenth / 10, one) for tenth in (1, 3, 5)]
    hits += [Column(f"hit@iobb.{tenth}", origin, at.iobb > tenth / 10, one) for tenth in (1, 5)]
    many = [Column("anyhit@iou.3", origin, at.hit, truths), Column("boxes_per_case", origin, at.count, one)]
    return [*hits, Column("mean_iou", origin, at.iou, one), *many]


def _any(seen: Seen, cases: Sequence[Case], levels: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(N,) truth boxes hit by the box of any component, and (N,) how many boxes there are."""
    hit, boxes = np.zeros(len(cases)), np.zeros(len(cases))
    for n, (on, case) in enumerate(zip(seen.surfaces, cases, strict=True)):
        if on is not None:
            found, _ = all_boxes(on, levels[n])
            hit[n] = (iou(found, case.boxes) > SELECT).any(0).sum()
            boxes[n] = len(found)
    return hit, boxes


def _choose_again(
    found: list[Estimate], seen: Seen, of: Sequence[str], patients: Sequence[str], findings: Sequence[str], seed: int
) -> list[Estimate]:
    """Oracle intervals: the threshold is chosen again in each resample, for the main column; the others have no interval."""
    if not len(of):
        return found
    hits = optimum.contenders(seen.curves, of).astype(np.float64)
    chosen = resample(by_patient(hits, np.ones_like(hits), of, patients, findings), seed).over(lambda values: values.max(-1))  # (F,)
    out = [replace(e, samples=chosen if e.metric == "hit@iou.3" else None) if e.origin == "oracle" else e for e in found]
    main = {e.origin: e for e in out if e.metric == "hit@iou.3"}
    return [*out, difference(main["oracle"], main["cross-fitted"], "optimism")]


def _row(case: Case, seen: Seen, at: dict[Origin, At], n: int) -> dict[str, object]:
    own = at["cross-fitted"]
    box = [float(edge) if np.isfinite(edge) else None for edge in own.boxes[n]]
    place = dict(zip(("x0", "y0", "x1", "y1"), box, strict=True))
    scored = {"iou": float(own.iou[n]), "iobb": float(own.iobb[n]), "hit@iou.3": bool(own.iou[n] > SELECT)}
    others = {f"iou_{origin}": float(at[origin].iou[n]) for origin in ("oracle", "fixed")}
    return {
        **identity(case, seen.reasons[n]),
        "threshold": float(own.levels[n]),
        **place,
        **scored,
        "pointing": bool(seen.pointing[n]),
        **others,
    }
