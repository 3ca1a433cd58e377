"""Check ``protocols``: every case scored under every rule of the field.

A rule is a protocol with a metric, an origin of the score threshold and a placement of the maps. ``Protocols`` writes
one column per rule, from which ``protocols_report`` compares the methods under all rules. ``of_locus`` computes the
rules that need only the rows per case of ``locus``.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from locus.benchmark.maps.cases import make_cases
from locus.benchmark.scoring import protocols
from locus.benchmark.scoring.protocols.base import Case, Result, case_index, failures, rows, with_truth
from locus.benchmark.scoring.protocols.pxap import counted, patient_counts, pooled_precision
from locus.benchmark.scoring.statistics.resample import mean
from locus.benchmark.scoring.statistics.summary import Column, estimate, scores
from locus.benchmark.validity.base import Check
from locus.core.scores import Score
from locus.core.types import FloatArray

IOU, IOBB = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7), (0.1, 0.25, 0.5, 0.75, 0.9)
CUTS = {"fixed": "cut .5", "otsu": "cut by Otsu", "oracle": "cut on the truth", "cross-fitted@shared": "one cut"}
"""Origin in the columns of ``locus`` -> name; without one, the cut is chosen on other patients, for each finding."""
PXAP = "PxAP"
"""The rule that pools the pixels of all cases: its column is the score without the patient of the row (jackknife)."""
Values = Mapping[str, FloatArray]
"""Rule -> (N,) values of the cases; nan for a case that the rule leaves out."""


class Protocols(Check):
    """Score the maps of a method under every rule: at least one of each protocol that needs only maps.

    Most rules are a share of hits; ``IoU``, ``mask IoU``, ``energy`` and ``PxAP`` are means. Wang's rule counts a case
    if any box hits; the original counts truth boxes.
    """

    name = "protocols"

    def evaluate(self, method: str, seed: int) -> Result:
        """Return the score under each rule, and a row per case with a column per rule."""
        cases = with_truth(self.cases(method))
        plain = with_truth(make_cases(self.runs, self.maps(method, self.runs), "conventional"))
        values = {**rule_values(cases, self.findings, seed), **plain_values(plain, self.findings, seed)}
        columns = [_column(name, column) for name, column in values.items()]
        by_rule = scores(estimate(columns, case_index(cases), self.findings, seed), self.findings)
        pooled, without = pixel_precision(cases, self.findings)
        stored = {**values, PXAP: np.array([without[case.patient_id] for case in cases])}
        reasons = [case.load_surface[1] for case in cases]
        total = Score("mean", PXAP, pooled, n=len(cases))
        return Result([*by_rule, total], rows(cases, reasons, stored), {}, failures(cases, reasons))


def rule_values(cases: Sequence[Case], findings: Sequence[str], seed: int) -> Values:
    """Return the values of cases with a truth box under all rules but those of other placements and ``PXAP``."""
    columns_of = partial(_columns_of, cases=cases, findings=findings, seed=seed)
    box, mask, seeds, wang = (columns_of(word) for word in ("maxbox", "chexlocalize", "seed", "wang"))
    any_box = np.mean([box(f"any@iou.{tenth}") for tenth in (3, 5, 7)], 0)
    return {
        **of_locus(columns_of("locus")),
        "pointing within 15 px": columns_of("pointing")("pointing@15"),
        "energy": columns_of("energy")("energy"),
        "MaxBoxAcc": box("hit@iou.5"),
        "MaxBoxAcc, cut on the truth": (box("iou_oracle") >= 0.5).astype(np.float64),
        "MaxBoxAccV2": any_box,
        "mask IoU": mask("iou"),
        "mask IoU, cut on the truth": mask("iou_oracle"),
        "mask IoU, cut by Otsu": mask("iou_otsu"),
        "seed's rule, IoU ≥ .3": seeds("hit@iou.3"),
        **{f"Wang, IoU > .{tenth}": (wang("iou") > tenth / 10).astype(np.float64) for tenth in (3, 5)},
        "Wang, IoBB > .5": (wang("iobb") > 0.5).astype(np.float64),
    }


def of_locus(column: Callable[[str], FloatArray]) -> Values:
    """Return the rules that need only the rows per case of ``locus``; ``column`` returns a column (N,) of them."""
    iou, iobb = (column(name).astype(np.float32) for name in ("iou", "iobb"))

    def above(overlap: Any, level: float) -> FloatArray:
        return np.where(np.isfinite(overlap), overlap > np.float32(level), np.nan)

    return {
        **{f"IoU > {level:g}".replace("0.", "."): above(iou, level) for level in IOU},
        **{f"IoBB > {level:g}".replace("0.", "."): above(iobb, level) for level in IOBB},
        **{f"IoU > .3, {cut}": above(column(f"iou_{origin}").astype(np.float32), 0.3) for origin, cut in CUTS.items()},
        "IoU": iou.astype(np.float64),
        "centre of the truth in the box": column("center_inside"),
        "any box, IoU > .3": above(column("anyhits"), 0),
        "pointing": column("pointing"),
    }


def plain_values(cases: Sequence[Case], findings: Sequence[str], seed: int) -> Values:
    """Return the values of maps that were placed by plain interpolation, not on the network's grid."""
    column = _columns_of("locus", cases, findings, seed)
    return {
        "IoU > .3, plain interpolation": column("hit@iou.3"),
        "pointing, plain interpolation": column("pointing"),
    }


def _columns_of(
    protocol: str, cases: Sequence[Case], findings: Sequence[str], seed: int
) -> Callable[[str], FloatArray]:
    """Score the cases by a protocol; return a function from the name of a column of its rows to its values (N,)."""
    scored = protocols.get(protocol)().evaluate(cases, findings, seed).rows
    return lambda name: np.array([np.nan if row[name] is None else row[name] for row in scored], dtype=np.float64)


def pixel_precision(cases: Sequence[Case], findings: Sequence[str]) -> tuple[float, dict[str, float]]:
    """Return PxAP over all cases, mean over findings, and patient -> the same without the patient."""
    index = case_index(cases)
    sums = patient_counts([counted(case)[0] for case in cases], index, findings)
    without = mean(pooled_precision(sums.without), 1).tolist()
    people = np.unique(index.patients).tolist()
    return float(mean(pooled_precision(sums.value), 0)), dict(zip(people, without, strict=True))


def _column(rule: str, values: FloatArray) -> Column:
    known = np.isfinite(values)
    return Column(rule, "none", np.where(known, values, 0), known.astype(np.float64))
