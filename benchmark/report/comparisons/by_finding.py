"""Verdicts by finding: which methods of a network may be the best, and whether the best one is above ``prior``.

Scores of the protocol ``entry`` that name a finding, for the methods alone:

``hit@iou.3``                      of several training runs the mean with its interval for new runs and new patients
``may_be_best``, ``worse_by@NAME`` see ``benchmark.report.comparisons.methods``
``above_prior``                    of the first method of each network: its difference to ``prior``
"""

from collections.abc import Iterator, Sequence

import numpy as np

from benchmark.report import select
from benchmark.report.comparisons.main_column import BoardRow, MainColumn
from benchmark.report.comparisons.methods import RowScore, RowScores, ordered_methods, score, within_network
from benchmark.scoring.statistics import entries as statistics
from benchmark.scoring.statistics.entries import EntryScores
from benchmark.scoring.statistics.intervals import SMALLEST
from core.names import PRIOR


def by_finding(networks: Sequence[Sequence[BoardRow]], hits: MainColumn | None) -> RowScores:
    """Return pairs of a row and its scores on a finding, for each finding and network.

    Empty without per-case rows or with too few patients.
    """
    columns = [] if hits is None else [hits.of_finding(name) for name in hits.findings]
    enough = [c for c in columns if c.sums.present.any(2).sum() >= SMALLEST and np.isfinite(c.jackknife).all()]
    return [scores for column in enough for network in networks for scores in _of_network(network, column)]


def _of_network(rows: Sequence[BoardRow], hits: MainColumn) -> Iterator[RowScore]:
    (name,) = hits.findings
    methods = [(row, entry) for row in ordered_methods(rows, name) if (entry := hits.entry(row.group)) is not None]
    for row, entry in methods:
        main = select.main_score(row.record, name)
        if main is not None and (estimate := entry.interval) is not None:
            yield row, [main.model_copy(update={"low": estimate.low, "high": estimate.high})]
    yield from within_network(methods, name)
    prior = next((hits.entry(row.group) for row in rows if row.record.cell.method == PRIOR), None)
    if methods and prior is not None:
        yield _above_prior(name, *methods[0], prior)


def _above_prior(name: str, row: BoardRow, entry: EntryScores, prior: EntryScores) -> RowScore:
    gap = statistics.difference(entry, prior)
    return row, [score("above_prior", gap.value, gap.low, gap.high, name)]
