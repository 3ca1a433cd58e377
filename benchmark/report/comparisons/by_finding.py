"""Finding by finding: which rows of a leaderboard do not differ from the first, and is that one above ``prior``.

Scores of the protocol ``entry`` that name a finding, for the methods alone:

``hit@iou.3``               of several trainings the mean with its interval for new trainings and new patients
``tied``                    1 for the first and for every row that does not differ from it, Holm over all methods
``above_prior``             of the first: its difference to ``prior`` on the same network
"""

from collections.abc import Iterator, Sequence

import numpy as np

from benchmark.records import Score
from benchmark.report import select
from benchmark.report.comparisons.main_column import BoardRow, MainColumn
from benchmark.statistics import entries as statistics
from benchmark.statistics.entries import EntryScores
from benchmark.statistics.intervals import SMALLEST
from core.names import PRIOR

Verdicts = list[tuple[BoardRow, list[Score]]]


def by_finding(rows: Sequence[BoardRow], hits: MainColumn | None) -> Verdicts:
    """What each finding says of the rows; nothing where there are no rows per case or too few patients.

    Pairs of a row and its scores of that finding, for the records of protocol ``entry``.
    """
    findings = hits.findings if hits is not None else ()
    return [verdict for name in findings if hits is not None for verdict in _verdicts(rows, hits.of_finding(name))]


def _verdicts(rows: Sequence[BoardRow], hits: MainColumn) -> Iterator[tuple[BoardRow, list[Score]]]:
    (name,) = hits.findings
    if hits.sums.present.any(2).sum() < SMALLEST or not np.isfinite(hits.jackknife).all():
        return
    entries = [(row, hits.entry(row.group)) for row in rows if row.entry is not None]
    scored = [(row, entry) for row, entry in entries if entry is not None and select.is_method(row.record)]
    for row, entry in scored:
        main = select.main_score(row.record, name)
        if main is not None and (estimate := entry.interval) is not None:
            yield row, [main.model_copy(update={"low": estimate.low, "high": estimate.high})]
    ordered = sorted(scored, key=lambda pair: -float(pair[1].theta.mean()))
    if ordered:
        (first, best), *others = ordered
        ties = [True, *statistics.tied(best, [entry for _, entry in others])]
        yield from ((row, [of_finding(name, "tied", float(tie))]) for (row, _), tie in zip(ordered, ties, strict=True))
        yield from _above_prior(name, first, best, [(row, entry) for row, entry in entries if entry is not None])


def _above_prior(
    name: str, first: BoardRow, best: EntryScores, entries: Sequence[tuple[BoardRow, EntryScores]]
) -> Verdicts:
    network = select.model_of(first.record)
    for row, entry in entries:
        if row.record.cell.method == PRIOR and select.model_of(row.record) == network:
            e = statistics.difference(best, entry)
            return [(first, [of_finding(name, "above_prior", e.value, e.low, e.high)])]
    return []


def of_finding(
    name: str, metric: str, value: float | None, low: float | None = None, high: float | None = None
) -> Score:
    """A score at cross-fitted thresholds; ends that are nan are none."""
    low, high = (None if end is None or np.isnan(end) else end for end in (low, high))
    return Score(finding=name, metric=metric, value=value, low=low, high=high, threshold_origin="cross-fitted")
