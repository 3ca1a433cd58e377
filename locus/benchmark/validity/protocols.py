"""Check ``protocols``: every case scored under every rule of the field.

A rule is a protocol with a metric, an origin of the score threshold and a placement of the maps. ``Protocols`` writes
one column per rule, from which ``protocols_report`` compares the methods, and one per trait of the maps.
"""

import numpy as np

from locus.benchmark.maps.cases import CaseStore, make_cases
from locus.benchmark.records import Cell
from locus.benchmark.scoring.protocols.base import Result, case_index, failures, rows, with_truth
from locus.benchmark.scoring.rules import placed_rules, pooled_rules, rule_values, scored, traits
from locus.benchmark.scoring.statistics.summary import Column, estimate, scores
from locus.benchmark.validity.base import Check
from locus.core.scores import Score


class Protocols(Check):
    """Score the maps of a method under every rule: at least one of each protocol.

    Most rules are a share of hits; ``IoU``, ``mask IoU``, ``energy`` and ``PxAP`` are means. Wang's rule counts a case
    if any box hits; the original counts truth boxes. For average precision and FROC, the negatives of a finding are the
    images with a box of another finding.
    """

    name = "protocols"

    def evaluate(self, method: str, seed: int) -> Result:
        """Return the score under each rule, and a row per case with a column per rule and trait."""
        maps = self.maps(method, self.runs)
        rated = CaseStore(self.runs, {method: maps}).cases(Cell(dataset="", method=method, alignment="aligned"))
        cases, plain = with_truth(rated), with_truth(make_cases(self.runs, maps, "conventional"))
        columns_of, placed = (scored(part, self.findings, seed) for part in (cases, plain))
        values = {**rule_values(columns_of), **placed_rules(placed("locus"))}
        known = {rule: np.isfinite(column).astype(np.float64) for rule, column in values.items()}
        columns = [Column(rule, "none", np.nan_to_num(column), known[rule]) for rule, column in values.items()]
        by_rule = scores(estimate(columns, case_index(cases), self.findings, seed), self.findings)
        pooled = pooled_rules(rated, self.findings, seed)
        without = {rule: np.array([of[case.patient_id] for case in cases]) for rule, (_, of) in pooled.items()}
        reasons = [case.load_surface[1] for case in cases]
        table = rows(cases, reasons, {**values, **without, **traits(cases, columns_of("locus"))})
        totals = [Score("mean", rule, value, n=len(cases)) for rule, (value, _) in pooled.items()]
        return Result([*by_rule, *totals], table, {}, failures(cases, reasons))
