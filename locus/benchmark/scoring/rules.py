"""The rules of the field: protocols with a metric, a source of the score threshold and a placement of the maps.

``rule_values``   the values of cases under all rules that score each case
``of_single_box``      those of them that need only the rows per case of ``single_box``
``placed_rules``  rules with maps that are placed in another way
``pooled_rules``  the rules that pool the pixels or boxes of all cases
``traits``  properties of the maps that favour some rules over others
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from locus.benchmark.scoring import protocols
from locus.benchmark.scoring.protocols.base import Case, case_index, with_truth
from locus.benchmark.scoring.protocols.detection import left_out_scores
from locus.benchmark.scoring.protocols.pxap import counted, patient_counts, pooled_precision
from locus.benchmark.scoring.protocols.wang import IOBB, IOU
from locus.benchmark.scoring.statistics.rank_reversals import POOLED, TRAITS, Values
from locus.benchmark.scoring.statistics.resample import mean
from locus.core.types import FloatArray

CUTS = {"fixed": "cut .5", "otsu": "cut by Otsu", "oracle": "cut on the truth", "cross-fitted@shared": "one cut"}
"""Source in the columns of ``single_box`` -> name; without one, each finding's cut is chosen on other patients."""
Columns = Callable[[str], FloatArray]
"""Name of a column of the rows per case -> its values (N,); nan where a row has none."""


def scored(cases: Sequence[Case], findings: Sequence[str], seed: int) -> Callable[[str], Columns]:
    """Return a function from a protocol to the ``Columns`` of its rows; each protocol scores the cases once."""

    @cache
    def columns_of(protocol: str) -> Columns:
        by_case = protocols.get(protocol)().evaluate(cases, findings, seed).rows
        return lambda name: np.array([np.nan if row[name] is None else row[name] for row in by_case], dtype=np.float64)

    return columns_of


def rule_values(columns_of: Callable[[str], Columns]) -> Values:
    """Return the values of cases with a truth box under all rules but those of other placements and the pooled ones."""
    box, mask, seeds, wang = (columns_of(word) for word in ("maxbox", "chexlocalize", "adaptive_threshold", "wang"))
    return {
        **of_single_box(columns_of("single_box")),
        "pointing within 15 px": columns_of("pointing")("pointing@15"),
        "energy": columns_of("energy")("energy"),
        "MaxBoxAcc": box("hit@iou.5"),
        "MaxBoxAcc, cut on the truth": (box("iou_oracle") >= 0.5).astype(np.float64),
        "MaxBoxAccV2": np.mean([box(f"any@iou.{tenth}") for tenth in (3, 5, 7)], 0),
        "mask IoU": mask("iou"),
        "mask IoU, cut on the truth": mask("iou_oracle"),
        "mask IoU, cut by Otsu": mask("iou_otsu"),
        "adaptive threshold, IoU ≥ .3": seeds("hit@iou.3"),
        **{f"Wang, IoU > .{tenth}": (wang("iou") > tenth / 10).astype(np.float64) for tenth in (3, 5)},
        "Wang, IoBB > .5": (wang("iobb") > 0.5).astype(np.float64),
    }


def placed_rules(column: Columns) -> Values:
    """Return the values of maps that were placed by plain interpolation, not on the network's grid."""
    hits, pointing = column("hit@iou.3"), column("pointing")
    return {"IoU > .3, plain interpolation": hits, "pointing, plain interpolation": pointing}


def of_single_box(column: Columns) -> Values:
    """Return the rules that need only the rows per case of ``single_box``; ``column`` returns a column (N,) of them."""
    iou, iobb = (column(name).astype(np.float32) for name in ("iou", "iobb"))

    def above(overlap: Any, level: float) -> FloatArray:
        return np.where(np.isfinite(overlap), overlap > np.float32(level), np.nan)

    return {
        **{f"IoU > {level:g}".replace("0.", "."): above(iou, level) for level in IOU},
        **{f"IoBB > {level:g}".replace("0.", "."): above(iobb, level) for level in IOBB},
        **{f"IoU > .3, {cut}": above(column(f"iou_{word}").astype(np.float32), 0.3) for word, cut in CUTS.items()},
        "IoU": iou.astype(np.float64),
        "centre of the truth in the box": column("center_inside"),
        "any box, IoU > .3": above(column("anyhits"), 0),
        "pointing": column("pointing"),
    }


def traits(cases: Sequence[Case], column: Columns) -> Values:
    """Return the ``TRAITS`` of the maps, from the ``column`` s of ``single_box``; nan without a map or box."""
    pixels = np.array([case.frame[0] * case.frame[1] for case in cases], dtype=np.float64)
    boxes = (column("x1") - column("x0")) * (column("y1") - column("y0")) / pixels
    surfaces = [case.load_surface[0] for case in cases]
    above = [[np.nan if s is None else np.mean(s.values > level) for s in surfaces] for level in (0.5, 0.99)]
    return dict(zip(TRAITS, (boxes, *map(np.array, above), column("threshold")), strict=True))


Pooled = tuple[float, dict[str, float]]
"""The score under a rule over all cases, mean over findings; patient -> the same without the patient."""


def pooled_rules(cases: Sequence[Case], findings: Sequence[str], seed: int = 0) -> dict[str, Pooled]:
    """Return the ``POOLED`` rules; the pixels of cases with a truth box are pooled, the boxes of all cases."""
    with_box = with_truth(cases)
    index = case_index(with_box)
    sums = patient_counts([counted(case)[0] for case in with_box], index, findings)
    without = mean(pooled_precision(sums.without), 1).tolist()
    pixels = float(mean(pooled_precision(sums.value), 0)), dict(zip(np.unique(index.patients), without, strict=True))
    return dict(zip(POOLED, (pixels, *left_out_scores(cases, findings, seed)), strict=True))
