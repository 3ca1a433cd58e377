"""Agreement of the rankings by hits and by each metric of faithfulness, from the rows per case."""

import itertools
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from benchmark.records import Record, Score
from benchmark.report import select
from benchmark.report.entries import case_columns
from benchmark.report.entries.aggregate import Leaderboard
from benchmark.report.entries.case_columns import CaseColumns
from benchmark.report.entries.entry import mean_record, trainings
from benchmark.report.table import chance, signed
from benchmark.scoring.statistics.agreement import RankAgreement, rank_agreements
from benchmark.scoring.statistics.entries import ALPHA
from benchmark.scoring.statistics.patients import Sums, by_patient
from core.names import FAITHFULNESS, MAIN

DIRECTION = {MAIN: 1, "insertion": 1, "deletion": -1, "road": 1}
"""Metric -> 1 if higher is better, -1 if lower is better."""
PAIRS = tuple(itertools.combinations(DIRECTION, 2))
Group = list[list[Record]]
"""Rows of a network: the training runs of each method."""


@lru_cache(maxsize=2)
def agreements(leaderboard: Leaderboard) -> list[Record]:
    """Return a record per network of the check; cached for the tables, the answer and the chart.

    ``tau@ONE~OTHER`` is Kendall's tau between the methods' mean scores by two metrics, without baselines; its n is the
    number of methods with different scores. ``p@ONE~OTHER`` is its exact p-value. Networks with fewer than three
    methods that have rows per case are skipped. Raises ``DataError`` for invalid rows.
    """
    scored = select.of_check(leaderboard.records, leaderboard.dataset, FAITHFULNESS)
    ranked = [r for r in scored if r.source == "run" and select.is_method(r)]
    groups = select.grouped(trainings(ranked), lambda row: select.network_key(row[0]))
    if not groups or not leaderboard.folders:
        return []
    columns = case_columns.read([record.cell for record in ranked], leaderboard.folders, [*DIRECTION])
    return [record for group in groups.values() if (record := _record(group, columns)) is not None]


def _record(group: Group, columns: CaseColumns) -> Record | None:
    most = max(map(len, group))
    rows = [row for row in group if len(row) == most and all(record.key in columns.columns for record in row)]
    if len(rows) < 3:
        return None
    keys = [record.key for row in rows for record in row]
    measures = [_sums(columns, keys, measure) for measure in DIRECTION]
    index = {measure: n for n, measure in enumerate(DIRECTION)}
    agreements = rank_agreements(measures, [(index[one], index[other]) for one, other in PAIRS], most)
    cell = mean_record(rows[0]).cell.model_copy(update={"method": ""})
    counts = {"trainings": most, "patients": len(measures[0].numerator)}
    scores = [s for pair, agreement in zip(PAIRS, agreements, strict=True) for s in _scores(pair, agreement)]
    return Record(cell=cell, rests_on=counts, scores=tuple(scores))


def _sums(columns: CaseColumns, keys: Sequence[str], measure: str) -> Sums:
    """Return the sums of a metric by patient and finding, a column per key; cases without a value are ignored."""
    values, findings = columns.wide(keys, measure), columns.findings
    finite = np.isfinite(values)
    signed = DIRECTION[measure] * np.where(finite, values, 0)
    return by_patient(signed, finite, findings, columns.patients, sorted({*findings.tolist()}))


def _scores(pair: tuple[str, str], agreement: RankAgreement) -> list[Score]:
    name, methods = "~".join(pair), agreement.rows
    if np.isnan(agreement.tau):
        return [Score(finding="mean", metric=f"tau@{name}", n=methods, reason="all methods are tied")]
    low, high = (None if np.isnan(end) else end for end in (agreement.low, agreement.high))
    tau = Score(finding="mean", metric=f"tau@{name}", value=agreement.tau, low=low, high=high, n=methods)
    return [tau, Score(finding="mean", metric=f"p@{name}", value=max(agreement.p, 1e-6), n=methods)]


def tau_and_p(record: Record, one: str, other: str) -> tuple[Score | None, Score | None]:
    """Return tau and its p-value."""
    return record.find(f"tau@{one}~{other}"), record.find(f"p@{one}~{other}")


def verdict(tau: Score | None, p: Score | None) -> str:
    """Return the verdict on two rankings from tau with its interval, and its exact p-value.

    >>> p = Score(finding="mean", metric="p", value=0.01)
    >>> verdict(Score(finding="mean", metric="tau", value=0.5, low=0.1, high=0.8), p)
    'agree'
    """
    if tau is None or tau.low is None or tau.high is None or p is None or p.value is None:
        return "too few methods"
    if p.value >= ALPHA:
        return "not shown"
    return "agree" if tau.low > 0 else "disagree" if tau.high < 0 else "not shown"


def sentence(record: Record) -> str:
    """Summarize the agreement of localization with each metric of faithfulness for a network."""
    words = {
        "agree": "methods that hit the lesion more often are also more faithful by {}",
        "disagree": "methods that hit the lesion more often are less faithful by {}",
        "not shown": "no agreement is shown between hits and {}",
        "too few methods": "there are too few methods to compare hits and {}",
    }
    taus = {other: tau_and_p(record, one, other) for one, other in PAIRS if one == MAIN}
    measures_by_verdict = {
        word: [f"{m} (tau {signed(tau)}, p {chance(p)})" for m, (tau, p) in taus.items() if verdict(tau, p) == word]
        for word in words
    }
    parts = [words[word].format(", ".join(measures)) for word, measures in measures_by_verdict.items() if measures]
    return f"{select.network(record)}: {'; '.join(parts)}."
