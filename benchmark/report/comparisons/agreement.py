"""Agreement of the rankings by the metrics of the check ``faithfulness``, from per-case rows."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmark.records import Record, Score
from benchmark.report import select
from benchmark.report.comparisons import case_columns
from benchmark.report.comparisons.case_columns import CaseColumns
from benchmark.report.leaderboard.entries import mean_record, recipe_of, trainings
from benchmark.scoring.statistics.agreement import RankAgreement, rank_agreements
from benchmark.scoring.statistics.patients import Sums, by_patient
from core.names import FAITHFULNESS, MAIN

AGREEMENT = "agreement"
"""Protocol of the agreement records, which are never stored."""
BETTER = {MAIN: 1, "insertion": 1, "deletion": -1, "road": 1}
"""Metric -> 1 if higher is better, -1 if lower is better."""
PAIRS = tuple(itertools.combinations(BETTER, 2))
Group = list[list[Record]]
"""Rows of a network: the training runs of each method."""


def with_agreement(records: Sequence[Record], folders: Sequence[Path]) -> list[Record]:
    """Return ``records`` plus one of protocol ``agreement`` per network of the check.

    ``tau@ONE~OTHER`` is Kendall's tau between the methods' mean scores by two metrics, without baselines; its n is the
    number of methods. ``p@ONE~OTHER`` is its exact p. ``folders`` contain the per-case rows. Networks with fewer than
    three methods that have such rows are skipped. Raises ``DataError`` for invalid rows.
    """
    scored = [r for name in select.datasets(records) for r in select.of_check(records, name, FAITHFULNESS)]
    ranked = [r for r in scored if r.source == "run" and select.is_method(r)]
    groups: dict[tuple[object, ...], Group] = {}
    for row in trainings(ranked):
        groups.setdefault(recipe_of(row[0]), []).append(row)
    if not groups:
        return list(records)
    columns = case_columns.read([record.cell for record in ranked], folders, [*BETTER])
    return [*records, *(made for group in groups.values() if (made := _record(group, columns)) is not None)]


def _record(group: Group, columns: CaseColumns) -> Record | None:
    most = max(map(len, group))
    rows = [row for row in group if len(row) == most and all(record.key in columns.columns for record in row)]
    if len(rows) < 3:
        return None
    keys = [record.key for row in rows for record in row]
    measures = [_sums(columns, keys, measure) for measure in BETTER]
    index = {measure: n for n, measure in enumerate(BETTER)}
    agreements = rank_agreements(measures, [(index[one], index[other]) for one, other in PAIRS], most)
    cell = mean_record(rows[0]).cell.model_copy(update={"protocol": AGREEMENT, "method": ""})
    counts = {"trainings": most, "patients": len(measures[0].numerator)}
    scores = [s for pair, agreement in zip(PAIRS, agreements, strict=True) for s in _scores(pair, agreement, len(rows))]
    return Record(cell=cell, rests_on=counts, scores=tuple(scores))


def _sums(columns: CaseColumns, keys: Sequence[str], measure: str) -> Sums:
    """Return the sums of a metric by patient and finding, a column per key; cases without a value are ignored."""
    values, findings = columns.wide(keys, measure), columns.findings
    finite = np.isfinite(values)
    signed = BETTER[measure] * np.where(finite, values, 0)
    return by_patient(signed, finite, findings, columns.patients, sorted({*findings.tolist()}))


def _scores(pair: tuple[str, str], agreement: RankAgreement, methods: int) -> list[Score]:
    name = "~".join(pair)
    if np.isnan(agreement.tau):
        return [Score(finding="mean", metric=f"tau@{name}", n=methods, reason="a measure ties throughout")]
    low, high = (None if np.isnan(end) else end for end in (agreement.low, agreement.high))
    tau = Score(finding="mean", metric=f"tau@{name}", value=agreement.tau, low=low, high=high, n=methods)
    return [tau, Score(finding="mean", metric=f"p@{name}", value=max(agreement.p, 1e-6), n=methods)]
