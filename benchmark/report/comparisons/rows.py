"""Comparisons of a leaderboard's rows from per-case rows: intervals, and which rows may be the best.

``trainings``, ``seed_sd``  how many training runs there are, and the standard deviation of their scores
``hit@iou.3``               the mean with its interval for new runs and new patients, where there are several
``one_more``                where one more run will score on the same images from three runs on
``network_may_be_best``     1 where no other network is significantly better: see ``comparisons.networks``
``may_be_best`` …           the same of the method within its network: see ``comparisons.methods`` and ``by_finding``
``above_prior``, ``p_holm`` difference to ``prior`` on the same runs; Holm over the rows of the network
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmark.records import Record, Score
from benchmark.report import select
from benchmark.report.comparisons.by_finding import by_finding
from benchmark.report.comparisons.case_columns import CaseColumns
from benchmark.report.comparisons.effects import effects
from benchmark.report.comparisons.main_column import BoardRow, column_of, hits_of
from benchmark.report.comparisons.methods import (
    RowScores,
    by_network,
    ordered_methods,
    probabilities,
    score,
    within_network,
)
from benchmark.report.comparisons.networks import MAY_BE_BEST, networks
from benchmark.report.leaderboard.entries import ENTRY, mean_record, network_of, trainings
from benchmark.scoring.statistics import entries as statistics
from benchmark.scoring.statistics.signflip import holm
from core.names import PAIRED, PRIOR, RELATIVE_DROP

SMALLEST_P = 1e-6
"""Smallest stored p value: scores have six decimals."""


def add_leaderboard_entries(
    records: Sequence[Record], folders: Sequence[Path], rank_methods: Sequence[str] = ()
) -> list[Record]:
    """Return ``records`` plus those of ``COMPARISONS``: of each row, network and method over networks.

    ``folders`` contain the per-case rows; rows without them have no interval and are not compared. ``rank_methods``:
    see ``comparisons.networks``. Records that include entries are returned unchanged. Raises ``DataError`` for invalid
    rows.
    """
    if any(record.cell.protocol == ENTRY for record in records):
        return list(records)
    parts = [(name, part) for name in select.datasets(records) for part in (None, *select.parts(records, name))]
    boards = [(part, select.board(records, name, part)) for name, part in parts]
    if not any(board for _, board in boards):
        return list(records)
    columns = hits_of([record for _, board in boards for record in board], folders)
    made = [_of_board(records, board, part, columns, rank_methods) for part, board in boards]
    return [*records, *(record for of_board in made for record in of_board)]


def _of_board(
    records: Sequence[Record],
    board: Sequence[Record],
    images: int | None,
    columns: CaseColumns,
    rank_methods: Sequence[str],
) -> list[Record]:
    hits = column_of(board, columns)
    rows = [BoardRow(group, mean_record(group), hits.entry(group) if hits else None) for group in trainings(board)]
    groups = by_network(rows)
    ranked = networks(groups, rank_methods) if images is None else []
    best = {network_of(record): s for record in ranked if (s := record.find(MAY_BE_BEST)) is not None}
    paired = {select.row_key(r): r.scores for r in records if r.cell.protocol == PAIRED and r.cell.images == images}
    compared = {row.record.key: list(paired.get(select.row_key(row.record), ())) for row in rows}
    row_scores: RowScores = [(row, _over_trainings(row)) for row in rows]
    for group in groups:
        several = [row for row in group if len(row.group) > 1]
        row_scores += [
            (row, _relative_drops([paired.get(select.row_key(r), ()) for r in row.group])) for row in several
        ]
        methods = [(row, row.entry) for row in ordered_methods(group) if row.entry is not None]
        network = [score("network_may_be_best", s.value)] if (s := best.get(network_of(group[0].record))) else []
        row_scores += [*_above_prior(several, paired), *probabilities(several), *within_network(methods)]
        row_scores += [(row, network) for row, _ in methods]
    for row, scores in [*row_scores, *by_finding(groups, hits)]:
        compared[row.record.key] += scores
    entries = [_record(row, compared[row.record.key]) for row in rows]
    return [*entries, *ranked, *(effects(groups) if images is None else [])]


def _record(row: BoardRow, scores: Sequence[Score]) -> Record:
    cell = row.record.cell.model_copy(update={"protocol": ENTRY})
    return Record(cell=cell, source=row.record.source, method_name=row.record.method_name, scores=tuple(scores))


def _relative_drops(run_scores: Sequence[Sequence[Score]]) -> list[Score]:
    """Return the mean relative drop to people over training runs, with the interval only if all runs agree."""
    drops = [{s.metric: s for s in scores if s.metric.startswith(RELATIVE_DROP)} for scores in run_scores]
    same = all(of == drops[0] for of in drops)
    return [s if same else score(name, select.mean([of.get(name) for of in drops])) for name, s in drops[0].items()]


def _over_trainings(row: BoardRow) -> list[Score]:
    """Return number and spread of the training runs, the interval of another run, and the mean with its interval."""
    values, main = select.defined_values(map(select.main_score, row.group)), select.main_score(row.record)
    counted = [score("trainings", float(len(row.group)))]
    if len(values) < 2 or main is None:
        return counted
    counted.append(score("seed_sd", float(np.std(values, ddof=1))))
    if band := statistics.one_more(np.array(values)):
        counted.append(score("one_more", main.value, *band))
    if row.entry is None or main.low is not None or (estimate := row.entry.interval) is None:
        return counted
    return [*counted, main.model_copy(update={"low": estimate.low, "high": estimate.high})]


def _above_prior(network: Sequence[BoardRow], paired: Mapping[tuple[object, ...], Sequence[Score]]) -> RowScores:
    """Return the difference to ``prior`` over all training runs; for baselines without a network, that of each run."""
    prior = next((row.entry for row in network if row.record.cell.method == PRIOR), None)
    if prior is None:
        return []
    out: RowScores = []
    seeing = []
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
        out.append((row, [score("above_prior", e.value, e.low, e.high), score("p_holm", max(float(p), SMALLEST_P))]))
    return out
