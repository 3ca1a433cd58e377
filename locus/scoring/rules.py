"""The rules of the field: protocols with a metric, a source of the score threshold and a placement of the maps.

``rule_values``   the values of cases under all rules that score each case
``of_single_box``      those of them that need only the rows per case of ``single_box``
``placed_rules``  rules with maps that are placed in another way
``pooled_rules``  the rules that pool the pixels or boxes of all cases
``traits``  properties of the maps that favour some rules over others
"""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from locus.core.types import FloatArray
from locus.scoring import protocols
from locus.scoring.protocols.base import Case, case_index, with_truth
from locus.scoring.protocols.detection import left_out_scores
from locus.scoring.protocols.pxap import counted, patient_counts, pooled_precision
from locus.scoring.protocols.wang import IOBB, IOU
from locus.scoring.statistics.rank_reversals import POOLED, TRAITS, Values
from locus.scoring.statistics.resample import mean
from locus.scoring.surface import Surface

CUTS = {
    "fixed": "cut .5",
    "otsu": "cut by Otsu",
    "oracle": "cut on the truth",
    "cross-fitted@shared": "one cut",
}
"""Source in the columns of ``single_box`` -> name; without one, each finding's cut is chosen on other patients."""
Columns = Callable[[str], FloatArray]
"""Name of a column of the rows per case -> its values (N,); nan where a row has none."""


def scored(cases: Sequence[Case], findings: Sequence[str], seed: int) -> Callable[[str], Columns]:
    """Return a function from a protocol to the ``Columns`` of its rows; each protocol scores the cases once."""

    @cache
    def columns_of(protocol: str) -> Columns:
        rows = protocols.get(protocol)().evaluate(cases, findings, seed).rows
        return lambda name: np.array(
            [row[name] for row in rows], dtype=np.float64
        )  # None becomes nan

    return columns_of


def rule_values(columns_of: Callable[[str], Columns]) -> Values:
    """Return the values of cases with a truth box under all rules but those of other placements and the pooled ones."""
    maxbox = columns_of("maxbox")
    chexlocalize = columns_of("chexlocalize")
    wang = columns_of("wang")
    return {
        **of_single_box(columns_of("single_box")),
        "pointing within 15 px": columns_of("pointing")("pointing@15"),
        "energy": columns_of("energy")("energy"),
        "MaxBoxAcc": maxbox("hit@iou.5"),
        "MaxBoxAcc, cut on the truth": (maxbox("iou_oracle") >= 0.5).astype(np.float64),
        "MaxBoxAccV2": np.mean(
            [maxbox("any@iou.3"), maxbox("any@iou.5"), maxbox("any@iou.7")], axis=0
        ),
        "mask IoU": chexlocalize("iou"),
        "mask IoU, cut on the truth": chexlocalize("iou_oracle"),
        "mask IoU, cut by Otsu": chexlocalize("iou_otsu"),
        "adaptive threshold, IoU ≥ .3": columns_of("adaptive_threshold")("hit@iou.3"),
        "Wang, IoU > .3": (wang("iou") > 0.3).astype(np.float64),
        "Wang, IoU > .5": (wang("iou") > 0.5).astype(np.float64),
        "Wang, IoBB > .5": (wang("iobb") > 0.5).astype(np.float64),
    }


def placed_rules(column: Columns) -> Values:
    """Return the values of maps that were placed by plain interpolation, not on the network's grid."""
    return {
        "IoU > .3, plain interpolation": column("hit@iou.3"),
        "pointing, plain interpolation": column("pointing"),
    }


def of_single_box(column: Columns) -> Values:
    """Return the rules that need only the rows per case of ``single_box``; ``column`` returns a column (N,) of them."""
    values = {}
    for level in IOU:
        values[f"IoU > {level:g}".replace("0.", ".")] = _above(column("iou"), level)
    for level in IOBB:
        values[f"IoBB > {level:g}".replace("0.", ".")] = _above(column("iobb"), level)
    for source, cut in CUTS.items():
        values[f"IoU > .3, {cut}"] = _above(column(f"iou_{source}"), 0.3)
    return {
        **values,
        "IoU": column("iou").astype(np.float32).astype(np.float64),  # as it is stored
        "centre of the truth in the box": column("center_inside"),
        "any box, IoU > .3": _above(column("anyhits"), 0),
        "pointing": column("pointing"),
    }


def _above(overlap: FloatArray, level: float) -> FloatArray:
    """Return whether each overlap (N,) is above a level, compared in single precision as it is stored; nan stays."""
    single = overlap.astype(np.float32)
    return np.where(np.isfinite(single), single > np.float32(level), np.nan)


def traits(cases: Sequence[Case], column: Columns) -> Values:
    """Return the ``TRAITS`` of the maps, from the ``column`` s of ``single_box``; nan without a map or box."""
    pixels = np.array([case.frame[0] * case.frame[1] for case in cases], dtype=np.float64)
    boxes = (column("x1") - column("x0")) * (column("y1") - column("y0")) / pixels
    surfaces = [case.load_surface[0] for case in cases]
    columns = (boxes, _area_above(surfaces, 0.5), _area_above(surfaces, 0.99), column("threshold"))
    return dict(zip(TRAITS, columns, strict=True))


def _area_above(surfaces: Sequence[Surface | None], level: float) -> FloatArray:
    """Return the share (N,) of the positions of each surface above a level; nan without a surface."""
    return np.array(
        [np.nan if surface is None else np.mean(surface.values > level) for surface in surfaces]
    )


Pooled = tuple[float, dict[str, float]]
"""The score under a rule over all cases, mean over findings; patient -> the same without the patient."""


def pooled_rules(
    cases: Sequence[Case], findings: Sequence[str], seed: int = 0
) -> dict[str, Pooled]:
    """Return the ``POOLED`` rules; the pixels of cases with a truth box are pooled, the boxes of all cases."""
    with_box = with_truth(cases)
    index = case_index(with_box)
    sums = patient_counts([counted(case)[0] for case in with_box], index, findings)
    total = float(mean(pooled_precision(sums.value), 0))
    without = mean(pooled_precision(sums.without), 1).tolist()
    pixels = (total, dict(zip(np.unique(index.patients), without, strict=True)))
    return dict(zip(POOLED, (pixels, *left_out_scores(cases, findings, seed)), strict=True))
