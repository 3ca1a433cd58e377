"""What the rows per case say of a leaderboard's rows: intervals over trainings and patients, ties, who is first.

``trainings``, ``seed_sd``  how many there are, and the standard deviation of their scores
``hit@iou.3``               the mean with its interval for new trainings and new patients, where there are several
``one_more``                where one more training will score on the same images (the prediction interval)
``tied``                    1 where the row does not differ from the first one, Holm over all rows that have a rank
``among``                   1 where patients alone decided that, for the row or the first one has one training
``p_first``                 probability of being first of the network: patients are drawn, and trainings
``above_prior``, ``p_holm`` difference to ``prior`` on the same trainings; Holm over the rows of the network
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.records import Cell, Record, Score, cases
from benchmark.report import ranking, select
from benchmark.report.entries import ENTRY, as_one, trainings
from benchmark.report.table import NOTHING
from benchmark.statistics import entries as statistics
from benchmark.statistics.entries import EntryScores
from benchmark.statistics.patients import Sums, by_patient
from benchmark.statistics.signflip import holm
from core.names import BASELINES, MAIN, PAIRED, PRIOR
from core.types import FloatArray

CASE = ["image", "patient", "finding"]


def with_entries(records: Sequence[Record], folders: Sequence[Path]) -> list[Record]:
    """``records``, and one of protocol ``entry`` per row of the leaderboards; rows per case lie in ``folders``.

    A row without them has no interval, no tie and no probability. Records that have entries already stay as they are.
    Raises ``DataError`` for broken rows.
    """
    if any(record.cell.protocol == ENTRY for record in records):
        return list(records)
    parts = [(name, part) for name in select.datasets(records) for part in (None, *select.parts(records, name))]
    boards = [(part, select.board(records, name, part)) for name, part in parts]
    frame = _rows([record.cell for _, board in boards for record in board if _is_compared(record)], folders)
    return [*records, *(entry for part, board in boards for entry in _entries(records, board, part, frame))]


def _rows(cells: Sequence[Cell], folders: Sequence[Path]) -> pd.DataFrame:
    """The main column case by case: read at once for all boards."""
    tables = [cases.read_columns(cells, folder, [*CASE, MAIN]) for folder in folders]
    return pd.concat(tables, ignore_index=True).drop_duplicates(["key", "image", "finding"])


def _is_compared(record: Record) -> bool:
    return select.is_method(record) or record.cell.method in BASELINES


@dataclass(frozen=True, eq=False)
class _Row:
    """A row of a leaderboard."""

    group: Sequence[Record]
    """Its trainings."""
    record: Record
    """These as one."""
    entry: EntryScores | None
    """Its scores case by case; None where it has no rows, or those of other cases."""


@dataclass(frozen=True, eq=False)
class MainColumn:
    """The main column of those records whose cases are the same, patient by patient."""

    columns: Mapping[str, int]
    """Key of a record -> its column."""
    sums: Sums
    theta: FloatArray
    jackknife: FloatArray

    def entry(self, group: Sequence[Record]) -> EntryScores | None:
        """The scores of the trainings of a row."""
        if any(record.key not in self.columns for record in group):
            return None
        index = [self.columns[record.key] for record in group]
        names = tuple(f"{r.source} {r.cell.model_id} {' '.join(r.checkpoints)}" for r in group)
        return EntryScores(names, self.theta[index], self.jackknife[index])

    def of(self, rows: Sequence[_Row]) -> Sums:
        """The sums of all trainings of some rows, row by row."""
        index = [self.columns[record.key] for row in rows for record in row.group]
        return Sums(self.sums.numerator[:, :, index], self.sums.denominator[:, :, index])


def _entries(
    records: Sequence[Record], board: Sequence[Record], images: int | None, frame: pd.DataFrame
) -> list[Record]:
    hits = _main_column(board, frame)
    rows = [_Row(group, as_one(group), hits.entry(group) if hits else None) for group in trainings(board)]
    paired = {select.row_of(r): r.scores for r in records if r.cell.protocol == PAIRED and r.cell.images == images}
    compared = {row.record.key: list(paired.get(select.row_of(row.record), ())) for row in rows}
    several = [row for row in rows if len(row.group) > 1]
    for network in dict.fromkeys(select.model_of(row.record) for row in several):
        of_network = [row for row in several if select.model_of(row.record) == network]
        for row, scores in [*_above_prior(of_network, paired), *_first(of_network, hits)]:
            compared[row.record.key] += scores
    for row, scores in [*((row, _over_trainings(row)) for row in rows), *_ties(rows)]:
        compared[row.record.key] += scores
    return [_record(row, compared[row.record.key]) for row in rows]


def _record(row: _Row, scores: Sequence[Score]) -> Record:
    cell = row.record.cell.model_copy(update={"protocol": ENTRY})
    return Record(cell=cell, source=row.record.source, method_name=row.record.method_name, scores=tuple(scores))


def main_column(board: Sequence[Record], folders: Sequence[Path]) -> MainColumn | None:
    """The main column case by case of a board's methods and baselines; None where none has rows in ``folders``."""
    return _main_column(board, _rows([record.cell for record in board if _is_compared(record)], folders))


def _main_column(board: Sequence[Record], frame: pd.DataFrame) -> MainColumn | None:
    """Those whose cases are those of the best one."""
    keys = [record.key for record in ranking.ranked(board) if _is_compared(record)]
    frame = frame[frame["key"].isin(keys)]
    existing = {*frame["key"].unique()}
    order = [key for key in keys if key in existing]
    if not order:
        return None
    wide, cases_of = _wide(frame, order)
    present = np.isfinite(wide)
    same = [n for n in range(len(order)) if (present[:, n] == present[:, 0]).all()]
    values, of_cases = wide[present[:, 0]][:, same], cases_of[present[:, 0]]
    findings, patients = of_cases["finding"].to_numpy(str), of_cases["patient"].to_numpy(str)
    sums = by_patient(values, np.ones_like(values), findings, patients, sorted({*findings}))
    return MainColumn({order[n]: column for column, n in enumerate(same)}, sums, *statistics.leave_one_out(sums))


def _wide(frame: pd.DataFrame, keys: Sequence[str]) -> tuple[FloatArray, pd.DataFrame]:
    """(cases, keys) hits, nan where a record lacks a case; and what the cases are of."""
    images, findings = pd.factorize(frame["image"])[0], pd.factorize(frame["finding"])[0]
    _, first, numbers = np.unique(images * (findings.max() + 1) + findings, return_index=True, return_inverse=True)
    wide = np.full((len(first), len(keys)), np.nan)
    wide[numbers, pd.Index(keys).get_indexer(pd.Index(frame["key"]))] = frame[MAIN]
    return wide, frame.iloc[first]


def _over_trainings(row: _Row) -> list[Score]:
    """How many trainings, how they spread, and what that means for others."""
    values, main = select.known(map(select.main_score, row.group)), select.main_score(row.record)
    counted = [_score("trainings", float(len(row.group)))]
    if len(values) < 2 or main is None:
        return counted
    low, high = statistics.one_more(np.array(values))
    counted += [_score("seed_sd", float(np.std(values, ddof=1))), _score("one_more", main.value, low, high)]
    if row.entry is None or main.low is not None or (estimate := row.entry.interval) is None:
        return counted
    return [*counted, main.model_copy(update={"low": estimate.low, "high": estimate.high})]


def _ties(rows: Sequence[_Row]) -> list[tuple[_Row, list[Score]]]:
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
    ties = statistics.tied(first.entry, [entry for _, entry in others]) if first.entry is not None else []
    single = [len(row.group) == 1 or len(first.group) == 1 for row, _ in others]
    verdicts = [(first, True, len(first.group) == 1)]
    verdicts += [(row, tie, alone) for (row, _), tie, alone in zip(others, ties, single, strict=True)]
    return [(row, [_score("tied", float(tie)), _score("among", float(alone))]) for row, tie, alone in verdicts]


def _first(network: Sequence[_Row], hits: MainColumn | None) -> list[tuple[_Row, list[Score]]]:
    """The probability of being first among the methods that all trainings of a network have."""
    methods = [row for row in network if select.is_method(row.record) and row.entry is not None]
    complete = [row for row in methods if len(row.group) == max(len(other.group) for other in methods)]
    if hits is None or not complete:
        return []
    shares = statistics.first_of_entries(hits.of(complete), len(complete))
    return [(row, [_score("p_first", float(share))]) for row, share in zip(complete, shares, strict=True)]


def _above_prior(
    network: Sequence[_Row], paired: Mapping[tuple[object, ...], Sequence[Score]]
) -> list[tuple[_Row, list[Score]]]:
    """The difference to ``prior``: of what sees no network that of each training, of others over all trainings."""
    prior = next((row.entry for row in network if row.record.cell.method == PRIOR), None)
    if prior is None:
        return []
    out, seeing = [], []
    for row in network:
        each = [[s for s in paired.get(select.row_of(r), ()) if s.metric != "p_first"] for r in row.group]
        if each[0] and all(scores[:1] == each[0][:1] for scores in each):
            out.append((row, each[0]))
        elif row.entry is not None and row.record.cell.method != PRIOR:
            seeing.append((row, statistics.difference(row.entry, prior)))
    adjusted = holm(np.array([estimate.p for _, estimate in seeing]))
    for (row, e), p in zip(seeing, adjusted, strict=True):
        out.append((row, [_score("above_prior", e.value, e.low, e.high), _score("p_holm", float(p))]))
    return out


def _score(metric: str, value: float | None, low: float | None = None, high: float | None = None) -> Score:
    ends = (None if end is None or np.isnan(end) else end for end in (low, high))
    return Score(
        finding="mean",
        metric=metric,
        value=value,
        threshold_origin="cross-fitted",
        **dict(zip(("low", "high"), ends, strict=True)),
    )
