"""Our own leaderboard: one box per case, at a threshold that its own patient did not choose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.protocols.base import Case, Protocol, Result, failures, of_findings, prepare, whose
from benchmark.protocols.chosen import At, beside, rows
from benchmark.protocols.pointing import distance
from benchmark.statistics.optimism import scores_with_optimism
from benchmark.statistics.summary import Column
from benchmark.statistics.who import SHARED
from benchmark.surface import Surface
from benchmark.surface.batch import Boxes, Truth
from benchmark.surface.otsu import otsu
from benchmark.surface.trace import EMPTY, trace
from benchmark.thresholds.exact import Curves
from benchmark.thresholds.origins import CROSSED, Chosen, Way, choose, stated
from core.names import MAIN
from core.types import FloatArray

DEFAULT = 0.5
IOU = 0.3
TENTHS = {"iou": (1, 3, 5), "iobb": (1, 5)}


class Locus(Protocol):
    """Share of cases whose one box has IoU > .3 with a truth box of the finding, mean over findings (``hit@iou.3``).

    A map is scaled to [0,1]; the component of the surface that holds the highest vertex gives the box, so truth selects
    nothing. The threshold is the best of all in [0,1) for ``hit@iou.3``, exact and no grid's (the middle of the best
    range; between ranges the larger mean IoU, then the lower): chosen on other patients (``cross-fitted``), on the
    validation split (``validation``), on the very cases (``oracle``), by the map itself (``otsu``) or not at all
    (``fixed``: .5). Per finding; ``hit@iou.3@shared`` takes one for all findings. ``optimism`` is oracle −
    cross-fitted. ``anyhit@iou.3`` is the share of truth boxes that the box of any component hits, with
    ``boxes_per_case`` beside it: many boxes hit by chance. A case without a box is a miss with IoU 0.
    """

    name = "locus"
    main = MAIN
    chooses = True

    def evaluate(
        self, cases: Sequence[Case], findings: Sequence[str], seed: int = 0, validation: Sequence[Case] = ()
    ) -> Result:
        """All metrics at each origin, ``pointing`` without one; a row per case at its cross-fitted threshold."""
        kept, others = of_findings(cases, findings), of_findings(validation, findings)
        seen, who = Seen(kept), whose(kept)
        chosen = choose(seen.curves, who, DEFAULT, seed, (Seen(others).curves, whose(others)) if others else None)
        chosen |= {("fixed", ""): np.full(len(kept), DEFAULT), ("otsu", ""): seen.otsu}
        placed = {way: Placed(seen, way, levels) for way, levels in chosen.items()}
        found = _found(seen, {way: levels for way, levels in chosen.items() if way[1] != SHARED})
        columns = [column for way, one in placed.items() for column in _columns(one, found.get(way), seen.truth)]
        columns.append(Column("pointing", "none", seen.pointing, np.ones(len(kept))))
        votes = {MAIN: (seen.curves.contenders(who.findings)[:, None], np.ones(len(kept)))}
        return Result(
            scores_with_optimism(columns, who, findings, seed, {MAIN: "optimism"}, votes),
            rows(kept, seen.reasons, _told(seen, placed, found[CROSSED])),
            stated({way: levels for way, levels in chosen.items() if way[0] != "otsu"}, who.findings),
            failures(kept, seen.reasons),
        )


class Seen:
    """N cases before any threshold."""

    def __init__(self, cases: Sequence[Case]) -> None:
        ready = [prepare(case) for case in cases]
        self.surfaces: list[Surface | None] = [on for on, _ in ready]
        self.reasons = [why for _, why in ready]
        self.curves = Curves(
            [EMPTY if on is None else trace(on) for on, _ in ready], [case.boxes for case in cases], IOU
        )
        self.truth = self.curves.truth
        self._cases = cases

    @cached_property
    def pointing(self) -> NDArray[np.bool_]:
        """(N,) whether the highest vertex lies in a truth box."""
        each = [
            on is not None and distance(on.peak, case.boxes) == 0
            for on, case in zip(self.surfaces, self._cases, strict=True)
        ]
        return np.array(each, dtype=bool)

    @cached_property
    def otsu(self) -> FloatArray:
        """(N,) each map's own threshold; where there is no map, it does not matter."""
        return np.array([DEFAULT if on is None else otsu(on) for on in self.surfaces], dtype=np.float64)


class Placed(At):
    """N cases, each at a threshold of its own: the peak component's box and its overlaps, 0 where there is no box."""

    def __init__(self, seen: Seen, way: Way, levels: FloatArray) -> None:
        super().__init__(way, np.isfinite(levels))
        self.levels, self.boxes = levels, seen.curves.boxes(levels)
        self.iou, self.iobb = seen.truth.overlaps(self.boxes, np.arange(len(levels)))

    def hits(self) -> dict[str, NDArray[np.bool_]]:
        """Metric -> (N,)."""
        return {f"hit@{m}.{tenth}": getattr(self, m) > tenth / 10 for m, tenths in TENTHS.items() for tenth in tenths}


@dataclass(frozen=True)
class Everything:
    """N cases, the boxes of all components."""

    hit: FloatArray
    """(N,) truth boxes that any of them hits."""
    count: FloatArray
    """(N,) boxes."""


def _found(seen: Seen, chosen: Chosen) -> dict[Way, Everything]:
    levels = np.stack(list(chosen.values()), 1)
    found = Boxes.on(seen.surfaces, levels)
    hits, counts = seen.truth.reached(found, 0, [IOU], levels.shape[1])[0, :, :, 0], found.counts(*levels.shape)
    return {way: Everything(hits[:, n], counts[:, n]) for n, way in enumerate(chosen)}


def _columns(at: Placed, found: Everything | None, truth: Truth) -> list[Column]:
    """Without ``found``, thresholds are shared and only the main column is given."""
    hits = at.hits()
    if found is None:
        return [at.column(MAIN, hits[MAIN])]
    many = [at.column("anyhit@iou.3", found.hit, truth.count), at.column("boxes_per_case", found.count)]
    return [*(at.column(metric, hit) for metric, hit in hits.items()), at.column("mean_iou", at.iou), *many]


def _told(seen: Seen, placed: Mapping[Way, Placed], found: Everything) -> dict[str, ArrayLike]:
    own = placed[CROSSED]
    numbers = {
        "threshold": own.levels,
        **dict(zip(("x0", "y0", "x1", "y1"), own.boxes.T, strict=True)),
        "iou": own.iou,
        "iobb": own.iobb,
    }
    counts = {"boxes": found.count.astype(np.int64), "truths": seen.truth.count, "anyhits": found.hit.astype(np.int64)}
    others = {way: one for way, one in placed.items() if one is not own}
    overlaps = {way: np.where(one.known, one.iou, np.nan) for way, one in others.items()}
    levels = {way: one.levels for way, one in others.items()}
    return {**numbers, **own.hits(), "pointing": seen.pointing, **counts, **beside(levels, iou=overlaps)}
