"""The check ``protocols``: every case scored under every rule of the field.

A rule is a protocol with a metric, a source of the score threshold and a placement of the maps.
"""

import numpy as np

from locus.benchmark.checks.base import Check
from locus.benchmark.checks.protocols_report import ProtocolsReport
from locus.benchmark.maps.cases import CaseStore, make_cases
from locus.benchmark.records import Cell
from locus.core.scores import Score
from locus.scoring.protocols.base import Result, case_index, failures, rows, with_truth
from locus.scoring.rules import placed_rules, pooled_rules, rule_values, scored, traits
from locus.scoring.statistics.summary import Column, estimate, scores

WITH_EXACT_BOUND = ("pointing", "pointing within 15 px", "pointing, plain interpolation", "energy")
"""Rules whose score has the exact binomial bound if all its cases are hits, or all are misses."""


class Protocols(Check):
    """Score the maps of a method under every rule: at least one of each protocol.

    Most rules are a share of hits; ``IoU``, ``mask IoU``, ``energy`` and ``PxAP`` are means. Wang's rule counts a case
    if any box hits; the original counts truth boxes. For average precision and FROC, the negatives of a finding are the
    images with a box of another finding.
    """

    name = "protocols"
    report = ProtocolsReport

    def evaluate(self, method: str, seed: int) -> Result:
        """Return the score under each rule, and a row per case with a column per rule and trait."""
        maps = self.maps(method, self.runs)
        all_cases = CaseStore(self.runs, {method: maps}).cases(
            Cell(dataset="", method=method, alignment="aligned")
        )
        cases = with_truth(all_cases)
        plain_cases = with_truth(make_cases(self.runs, maps, "conventional"))
        columns_of = scored(cases, self.findings, seed)
        single_box = columns_of("single_box")
        plain_single_box = scored(plain_cases, self.findings, seed)("single_box")
        values = {**rule_values(columns_of), **placed_rules(plain_single_box)}
        columns = []
        for rule, of_rule in values.items():
            is_known = np.isfinite(of_rule).astype(np.float64)
            has_bound = rule in WITH_EXACT_BOUND
            columns.append(
                Column(rule, "none", np.nan_to_num(of_rule), is_known, is_share=has_bound)
            )
        case_scores = scores(
            estimate(columns, case_index(cases), self.findings, seed), self.findings
        )
        pooled = pooled_rules(all_cases, self.findings, seed)
        pooled_scores = [
            Score("mean", rule, total, n=len(cases)) for rule, (total, _) in pooled.items()
        ]
        row_columns = dict(values)
        for rule, (_, without_patient) in pooled.items():
            row_columns[rule] = np.array([without_patient[case.patient_id] for case in cases])
        row_columns |= traits(cases, single_box)
        reasons = [case.load_surface[1] for case in cases]
        return Result(
            scores=[*case_scores, *pooled_scores],
            rows=rows(cases, reasons, row_columns),
            failed=failures(cases, reasons),
        )
