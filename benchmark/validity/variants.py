"""Compare variants (networks, placements, pictures) on the same cases: hits, and paired differences."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmark.scoring.protocols.base import Case, Result, case_index, with_truth
from benchmark.scoring.protocols.locus import IOU, Locus
from benchmark.scoring.statistics.summary import Column, difference, estimate, scores
from core.names import MAIN
from core.scores import Origin

MEASURES: Mapping[tuple[str, Origin], str] = {
    (MAIN, "cross-fitted"): "hit",
    (MAIN, "fixed"): "fixed",
    ("pointing", "none"): "pointing",
}
"""Metric and origin of its threshold -> column of the rows; ``fixed`` is a hit at the threshold .5."""


def compare(
    variants: Mapping[str, Sequence[Case]], findings: Sequence[str], seed: int, more: Sequence[Column] = ()
) -> Result:
    """Compare variants by ``locus``'s ``hit@iou.3`` (thresholds cross-fitted or .5, per variant) and ``pointing``.

    Scores are ``METRIC@VARIANT`` for every variant, then ``change@METRIC@VARIANT`` = variant − first, paired by
    patient, per finding and mean, with BCa intervals; rows are per variant and case.

    All variants have the same cases in the same order. Cases without truth are left out. ``more``: further columns over
    the remaining cases.
    """
    with_boxes = {name: with_truth(cases) for name, cases in variants.items()}
    bar = tqdm(with_boxes.items(), desc="score variants", unit="variant", leave=False, disable=None)
    results = {name: Locus().evaluate(cases, findings, seed) for name, cases in bar}
    rows = {name: [_row(name, row) for row in result.rows] for name, result in results.items()}
    first, *others = rows
    columns = [
        Column(f"{metric}@{name}", origin, np.array([row[column] for row in part], np.float64), np.ones(len(part)))
        for (metric, origin), column in MEASURES.items()
        for name, part in rows.items()
    ]
    estimates = estimate([*columns, *more], case_index(with_boxes[first]), findings, seed)
    by_key = {(e.metric, e.origin): e for e in estimates}
    pairs = [(f"{metric}@{name}", f"{metric}@{first}", origin) for metric, origin in MEASURES for name in others]
    changes = [difference(by_key[other, at], by_key[start, at], f"change@{other}") for other, start, at in pairs]
    failed = [one for result in results.values() for one in result.failed]
    together = [row for part in rows.values() for row in part]
    return Result(scores([*estimates, *changes], findings), together, {}, list(dict.fromkeys(failed)))


def _row(variant: str, row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("image", "patient", "finding", "reason", "threshold", "x0", "y0", "x1", "y1", "iou")
    base = {name: row[name] for name in names}
    return {"variant": variant, **base, "hit": row[MAIN], "fixed": row["iou_fixed"] > IOU, "pointing": row["pointing"]}
