"""What the rows per case say of a leaderboard's rows: intervals over trainings and patients, ties, who is first.

``trainings``, ``seed_sd``  how many there are, and the standard deviation of their scores
``hit@iou.3``               the mean with its interval for new trainings and new patients, where there are several
``one_more``                where one more training will score on the same images (the prediction interval)
``tied``                    1 where the row does not differ from the first one, Holm over all rows that have a rank
``among``                   1 where patients alone decided that, for the row or the first one has one training
``behind``                  the first row's score − this one's, with the interval of that comparison alone
``p_first``                 probability of being first of the network: patients are drawn, and trainings
``above_prior``, ``p_holm`` difference to ``prior`` on the same trainings; Holm over the rows of the network

Finding by finding (``benchmark.report.comparisons.by_finding``) the main column of several trainings has its interval,
``tied`` is as above, and the first has its difference to ``prior``.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmark.records import Record, Score
from benchmark.report import select
from benchmark.report.comparisons.by_finding import by_finding, of_finding
from benchmark.report.comparisons.case_columns import CaseColumns
from benchmark.report.comparisons.main_column import BoardRow, MainColumn, column_of, hits_of
from benchmark.report.leaderboard import ranking
from benchmark.report.leaderboard.entries import ENTRY, mean_record, trainings
from benchmark.report.table import NOTHING
from benchmark.statistics import entries as statistics
from benchmark.statistics.signflip import holm
from core.names import PAIRED, PRIOR, RELATIVE_DROP

_score = partial(of_finding, "mean")


def with_entries(records: Sequence[Record], folders: Sequence[Path]) -> list[Record]:
    """``records``, and one of protocol ``entry`` per row of the leaderboards; rows per case lie in ``folders``.

    A row without them has no interval, no tie and no probability. Records that have entries already stay as they are.
    Raises ``DataError`` for broken rows.
    """
    if any(record.cell.protocol == ENTRY for record in records):
        return list(records)
    parts = [(name, part) for name in select.datasets(records) for part in (None, *select.parts(records, name))]
    boards = [(part, select.board(records, name, part)) for name, part in parts]
    if not any(board for _, board in boards):
        return list(records)
    columns = hits_of([record for _, board in boards for record in board], folders)
    return [*records, *(entry for part, board in boards for entry in _entries(records, board, part, columns))]


def _entries(
    records: Sequence[Record], board: Sequence[Record], images: int | None, columns: CaseColumns
) -> list[Record]:
    hits = column_of(board, columns)
    rows = [BoardRow(group, mean_record(group), hits.entry(group) if hits else None) for group in trainings(board)]
    paired = {select.row_key(r): r.scores for r in records if r.cell.protocol == PAIRED and r.cell.images == images}
    compared = {row.record.key: list(paired.get(select.row_key(row.record), ())) for row in rows}
    several = [row for row in rows if len(row.group) > 1]
    for row in several:
        compared[row.record.key] += _relative_drops([paired.get(select.row_key(r), ()) for r in row.group])
    for network in dict.fromkeys(select.model_of(row.record) for row in several):
        of_network = [row for row in several if select.model_of(row.record) == network]
        for row, scores in [*_above_prior(of_network, paired), *_first(of_network, hits)]:
            compared[row.record.key] += scores
    for row, scores in [*((row, _over_trainings(row)) for row in rows), *_ties(rows), *by_finding(rows, hits)]:
        compared[row.record.key] += scores
    return [_record(row, compared[row.record.key]) for row in rows]


def _record(row: BoardRow, scores: Sequence[Score]) -> Record:
    cell = row.record.cell.model_copy(update={"protocol": ENTRY})
    return Record(cell=cell, source=row.record.source, method_name=row.record.method_name, scores=tuple(scores))


def _relative_drops(each: Sequence[Sequence[Score]]) -> list[Score]:
    """The mean over trainings of each relative drop to people: with its interval only where all trainings agree."""
    drops = [{s.metric: s for s in scores if s.metric.startswith(RELATIVE_DROP)} for scores in each]
    same = all(of == drops[0] for of in drops)
    return [s if same else _score(name, select.mean([of.get(name) for of in drops])) for name, s in drops[0].items()]


def _over_trainings(row: BoardRow) -> list[Score]:
    """How many trainings, how they spread, and what that means for others."""
    values, main = select.defined_values(map(select.main_score, row.group)), select.main_score(row.record)
    counted = [_score("trainings", float(len(row.group)))]
    if len(values) < 2 or main is None:
        return counted
    low, high = statistics.one_more(np.array(values))
    counted += [_score("seed_sd", float(np.std(values, ddof=1))), _score("one_more", main.value, low, high)]
    if row.entry is None or main.low is not None or (estimate := row.entry.interval) is None:
        return counted
    return [*counted, main.model_copy(update={"low": estimate.low, "high": estimate.high})]


def _ties(rows: Sequence[BoardRow]) -> list[tuple[BoardRow, list[Score]]]:
    """Which of the rows that have a rank do not differ from the first of them."""
    records = [row.record for row in rows]
    ranked = [row for row, rank in zip(rows, ranking.ranks(records), strict=True) if rank != NOTHING]
    best = ranking.best(row.record for row in ranked)
    first = next((row for row in ranked if row.record is best), None)
    if first is None:
        return []
    others = [
        (row, row.entry) for row in ranked if row is not first and row.entry is not None and first.entry is not None
    ]
    verdicts = statistics.behind(first.entry, [entry for _, entry in others]) if first.entry is not None else []
    out = [(first, [_score("tied", 1.0), _score("among", float(len(first.group) == 1))])]
    for (row, _), (tie, e) in zip(others, verdicts, strict=True):
        alone = len(row.group) == 1 or len(first.group) == 1
        gap = [] if e is None else [_score("behind", e.value, e.low, e.high)]
        out.append((row, [_score("tied", float(tie)), _score("among", float(alone)), *gap]))
    return out


def _first(network: Sequence[BoardRow], hits: MainColumn | None) -> list[tuple[BoardRow, list[Score]]]:
    """The probability of being first among the methods that all trainings of a network have."""
    methods = [row for row in network if select.is_method(row.record) and row.entry is not None]
    complete = [row for row in methods if len(row.group) == max(len(other.group) for other in methods)]
    if hits is None or not complete:
        return []
    shares = statistics.first_of_entries(hits.of(complete), len(complete))
    return [(row, [_score("p_first", float(share))]) for row, share in zip(complete, shares, strict=True)]


def _above_prior(
    network: Sequence[BoardRow], paired: Mapping[tuple[object, ...], Sequence[Score]]
) -> list[tuple[BoardRow, list[Score]]]:
    """The difference to ``prior``: of what sees no network that of each training, of others over all trainings."""
    prior = next((row.entry for row in network if row.record.cell.method == PRIOR), None)
    if prior is None:
        return []
    out, seeing = [], []
    for row in network:
        each = [
            [
                s
                for s in paired.get(select.row_key(r), ())
                if s.metric != "p_first" and not s.metric.startswith(RELATIVE_DROP)
            ]
            for r in row.group
        ]
        if each[0] and all(scores[:1] == each[0][:1] for scores in each):
            out.append((row, each[0]))
        elif row.entry is not None and row.record.cell.method != PRIOR:
            seeing.append((row, statistics.difference(row.entry, prior)))
    adjusted = holm(np.array([estimate.p for _, estimate in seeing]))
    for (row, e), p in zip(seeing, adjusted, strict=True):
        out.append((row, [_score("above_prior", e.value, e.low, e.high), _score("p_holm", float(p))]))
    return out
