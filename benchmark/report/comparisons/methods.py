"""Methods within each network: which may be the best, and how much worse the others are.

Scores of the protocol ``entry``, on all findings (``mean``) and on each:

``may_be_best``     1 where no other method of the network is significantly better (5 %, Holm over the row's pairs)
``worse_by@NAME``   how much better the method NAME is, with the interval of that difference alone: the top method's or,
                    where that does not exclude the row, that of the best method that does
``p_first``         probability of being the best of the network: see ``statistics.entries.probability_of_best``
"""

from collections.abc import Sequence

import numpy as np

from benchmark.records import Score
from benchmark.report import select
from benchmark.report.comparisons.main_column import BoardRow
from benchmark.report.leaderboard.entries import BETTER, network_of
from benchmark.scoring.statistics import entries as statistics
from benchmark.scoring.statistics.entries import EntryScores, Verdict

RowScore = tuple[BoardRow, list[Score]]
"""A row and its comparison scores."""
RowScores = list[RowScore]


def by_network(rows: Sequence[BoardRow]) -> list[list[BoardRow]]:
    """Group rows by network."""
    groups: dict[str, list[BoardRow]] = {}
    for row in rows:
        groups.setdefault(network_of(row.record), []).append(row)
    return list(groups.values())


def ordered_methods(rows: Sequence[BoardRow], finding: str = "mean") -> list[BoardRow]:
    """Return the methods with per-case rows, best first; equal scores by name."""
    scored = [row for row in rows if row.entry is not None and select.is_method(row.record)]
    return sorted(scored, key=lambda row: (-(select.main_value(row.record, finding) or 0.0), row.record.cell.method))


def within_network(methods: Sequence[tuple[BoardRow, EntryScores]], finding: str = "mean") -> RowScores:
    """Return the verdicts on the methods of one network, given best first, on a finding or the mean."""
    scores = [entry for _, entry in methods]
    verdicts = statistics.verdicts(len(scores), lambda a, b: statistics.compared(scores[a], scores[b]))
    names = [row.record.method for row, _ in methods]
    return [(row, verdict_scores(v, names, finding)) for (row, _), v in zip(methods, verdicts, strict=True)]


def probabilities(network: Sequence[BoardRow]) -> RowScores:
    """Return the probability of being the best of a network, for methods that all its training runs have.

    Empty for a network with one training run.
    """
    methods = [(row, row.entry) for row in ordered_methods(network) if row.entry is not None]
    most = max((len(entry.trainings) for _, entry in methods), default=0)
    complete = [(row, entry) for row, entry in methods if len(entry.trainings) == most]
    if most < 2 or len({entry.trainings for _, entry in complete}) > 1:
        return []
    shares = statistics.probability_of_best([[entry for _, entry in complete]])
    return [(row, [score("p_first", float(p))]) for (row, _), p in zip(complete, shares, strict=True)]


def verdict_scores(verdict: Verdict, names: Sequence[str], finding: str = "mean") -> list[Score]:
    """Return a verdict as scores; empty if nothing was compared. ``names``: names of the rows."""
    if verdict.may_be_best is None:
        return []
    made = [score("may_be_best", float(verdict.may_be_best), finding=finding)]
    if verdict.than is not None and (gap := verdict.worse_by) is not None:
        made.append(score(f"{BETTER}{names[verdict.than]}", gap.value, gap.low, gap.high, finding))
    return made


def score(
    metric: str, value: float | None, low: float | None = None, high: float | None = None, finding: str = "mean"
) -> Score:
    """Return a score at cross-fitted thresholds; nan ends become None."""
    low, high = (None if end is None or np.isnan(end) else end for end in (low, high))
    return Score(finding=finding, metric=metric, value=value, low=low, high=high, threshold_origin="cross-fitted")
