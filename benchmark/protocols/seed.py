"""The adaptive threshold of the project that this one grew from, repaired."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.protocols.base import Case, Protocol, Result, case_index, failures, of_findings, prepare
from benchmark.protocols.chosen import AtThreshold, other_origins, rows
from benchmark.statistics.case_index import SHARED
from benchmark.statistics.optimism import scores_with_optimism
from benchmark.statistics.summary import Column
from benchmark.surface import Surface
from benchmark.surface.batch import Boxes, TruthBoxes
from benchmark.thresholds.origins import Chosen, choose, distinct_thresholds
from benchmark.thresholds.sampled import SampledThresholds, at_index
from core.types import FloatArray

RULE = (1.95, 0.6)
FACTORS, HIGHS = np.linspace(1.4, 2.2, 7).round(6), np.linspace(0.5, 0.9, 7).round(6)
GRID = [(float(f), float(h)) for f in FACTORS for h in HIGHS]
RULES = [*GRID, RULE]
DEFAULT = len(GRID) // 2
OVERLAPS = (0.1, 0.2, 0.25, 0.3, 0.4, 0.5)
IOU = 0.3
MAIN = "hit@iou.3"


class Seed(Protocol):
    """Boxes of all components of {map > min(factor · mean, high)}, for a map scaled to [0,1].

    Per case the largest IoU of any box with any truth box, and the union's IoBB: the share of the boxes' union that
    lies in the union of the truth boxes. Shares of cases at ≥ .1 .2 .25 .3 .4 .5, the share without any overlap, mean
    IoU and IoBB. Factor 1.95 and high .6 are ``fixed``; of the 7×7 grid around them that with most cases at IoU ≥ .3 is
    chosen ``cross-fitted`` by patient, on the ``validation`` split and as ``oracle``, per finding;
    ``hit@iou.3@shared``: one for all findings. ``optimism`` is oracle − cross-fitted. The mean is that of the surface
    over the frame. A case without a box has IoU 0 and no IoBB (0/0).
    """

    name = "seed"
    main = MAIN
    chooses = True

    def evaluate(
        self, cases: Sequence[Case], findings: Sequence[str], seed: int = 0, validation: Sequence[Case] = ()
    ) -> Result:
        """``hit@iou.1`` …, ``hit@iobb.1`` …, ``no_overlap`` and means at each origin; a row per case, ``fixed``."""
        kept, others = of_findings(cases, findings), of_findings(validation, findings)
        batch, index = RuleCases(kept), case_index(kept)
        chosen: Chosen = {
            ("fixed", ""): np.full(len(kept), len(GRID), dtype=np.float64),
            **choose(batch.listed, index, DEFAULT, seed, (RuleCases(others).listed, case_index(others))),
        }
        columns = [
            column
            for key, indices in chosen.items()
            for column in _columns(AtThreshold(key, np.isfinite(indices)), batch, indices)
        ]
        votes = {MAIN: (batch.listed.hits[:, None], np.ones(len(kept)))}
        return Result(
            scores_with_optimism(columns, index, findings, seed, {MAIN: "optimism"}, votes),
            rows(kept, batch.reasons, _row_columns(batch, chosen)),
            distinct_thresholds(chosen, index.findings, [list(rule) for rule in RULES]),
            failures(kept, batch.reasons),
        )


class RuleCases:
    """N cases under each of the R rules."""

    def __init__(self, cases: Sequence[Case]) -> None:
        ready = [prepare(case) for case in cases]
        self.reasons = [why for _, why in ready]
        levels, index = _levels([on for on, _ in ready])
        boxes, truth = Boxes.on([on for on, _ in ready], levels), TruthBoxes.of([case.boxes for case in cases])
        largest = np.zeros(levels.shape)
        np.maximum.at(largest, (boxes.of, boxes.level), truth.overlaps(boxes.boxes, boxes.of)[0])
        tables = (levels, largest, truth.unions(boxes, levels.shape[1]), boxes.counts(*levels.shape))
        self.threshold, self.iou, self.iobb, self.count = (np.take_along_axis(table, index, 1) for table in tables)
        """(N,R) each: nan, 0, nan and 0 where there is no map; IoBB is nan where there is no box."""
        self.listed = SampledThresholds(self.iou[:, : len(GRID)] >= IOU, self.iou[:, : len(GRID)])


def _levels(surfaces: Sequence[Surface | None]) -> tuple[FloatArray, NDArray[np.int64]]:
    """(N,L) the distinct thresholds of each case, nan where no rule takes one, and (N,R) which of them a rule takes."""
    (factor, which), (high, other) = (np.unique(side, return_inverse=True) for side in np.array(RULES).T)
    mean = np.array([np.nan if on is None else on.mean for on in surfaces]).reshape(-1, 1)
    thresholds = np.concatenate([mean * factor, mean * 0 + high], 1)
    index = np.where(thresholds[:, which] < high[other], which, len(factor) + other)
    used = np.zeros(thresholds.shape, dtype=bool)
    np.put_along_axis(used, index, True, 1)
    return np.where(used, thresholds, np.nan), index


def _columns(at: AtThreshold, batch: RuleCases, indices: FloatArray) -> list[Column]:
    """Where the rule is shared, only the main column."""
    overlap, share = at_index(batch.iou, indices), at_index(batch.iobb, indices)
    if at.key[1] == SHARED:
        return [at.column(MAIN, overlap >= IOU)]
    shares = [at.column(f"hit@iou{level:g}".replace("0.", "."), overlap >= level) for level in OVERLAPS]
    shares += [at.column(f"hit@iobb{level:g}".replace("0.", "."), share >= level) for level in OVERLAPS]
    means = [at.column("mean_iou", overlap), at.column("mean_iobb", share, np.isfinite(share))]
    return [*shares, at.column("no_overlap", overlap == 0), *means]


def _row_columns(batch: RuleCases, chosen: Chosen) -> Mapping[str, NDArray[np.generic]]:
    n, fixed = len(batch.iou), len(GRID)
    rule = dict(zip(("factor", "high"), np.tile(RULE, (n, 1)).T, strict=True))
    columns = {
        "threshold": batch.threshold[:, fixed],
        "boxes": batch.count[:, fixed].astype(np.int64),
        "iou": batch.iou[:, fixed],
    }
    others = {key: indices for key, indices in chosen.items() if key[0] != "fixed"}
    levels, overlaps = (
        {key: at_index(table, at) for key, at in others.items()} for table in (batch.threshold, batch.iou)
    )
    return {
        **rule,
        **columns,
        "iobb": batch.iobb[:, fixed],
        MAIN: batch.iou[:, fixed] >= IOU,
        **other_origins(levels, iou=overlaps),
    }
