"""The main column of a leaderboard case by case, read from the rows per case of its records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.records import Record
from benchmark.report import select
from benchmark.report.comparisons import case_columns
from benchmark.report.comparisons.case_columns import CaseColumns
from benchmark.report.leaderboard import ranking
from benchmark.scoring.statistics import entries as statistics
from benchmark.scoring.statistics.entries import EntryScores
from benchmark.scoring.statistics.patients import Sums, by_patient
from core.names import BASELINES, MAIN
from core.types import FloatArray


@dataclass(frozen=True, eq=False)
class BoardRow:
    """A row of a leaderboard: one method on all trainings of a network."""

    group: Sequence[Record]
    """Its trainings."""
    record: Record
    """The trainings as one record: their mean."""
    entry: EntryScores | None
    """Its scores case by case; None where it has no rows, or those of other cases."""


@dataclass(frozen=True, eq=False)
class MainColumn:
    """The main column of those records whose cases are the same, patient by patient."""

    columns: Mapping[str, int]
    """Key of a record -> its column."""
    findings: tuple[str, ...]
    sums: Sums
    """(P,F,M) hits and cases by patient."""
    theta: FloatArray
    """(M,) scores: means over findings."""
    jackknife: FloatArray
    """(M,P) the scores with one patient left out."""

    def entry(self, group: Sequence[Record]) -> EntryScores | None:
        """The scores of the trainings of a row.

        None where a training has no rows per case, or those of other cases than the best row's.
        """
        if any(record.key not in self.columns for record in group):
            return None
        index = [self.columns[record.key] for record in group]
        names = tuple(f"{r.source} {r.cell.model_id} {' '.join(r.checkpoints)}" for r in group)
        return EntryScores(names, self.theta[index], self.jackknife[index])

    def of_finding(self, name: str) -> "MainColumn":
        """The main column of one finding alone.

        Raises ``ValueError`` for a finding that no case has.
        """
        here = slice(self.findings.index(name), self.findings.index(name) + 1)
        sums = Sums(self.sums.numerator[:, here], self.sums.denominator[:, here])
        return MainColumn(self.columns, (name,), sums, *statistics.leave_one_out(sums))

    def of(self, rows: Sequence[BoardRow]) -> Sums:
        """The sums of all trainings of some rows, row by row.

        Shapes: (patients, findings, trainings of all rows), the trainings of a row side by side.
        """
        index = [self.columns[record.key] for row in rows for record in row.group]
        return Sums(self.sums.numerator[:, :, index], self.sums.denominator[:, :, index])


def main_column(board: Sequence[Record], folders: Sequence[Path]) -> MainColumn | None:
    """The main column case by case of a board's methods and baselines; None where none has rows in ``folders``.

    Rows whose cases are not those of the best one are left out: only the same cases are compared. Raises ``DataError``
    for broken rows.
    """
    return column_of(board, hits_of(board, folders))


def column_of(board: Sequence[Record], hits: CaseColumns) -> MainColumn | None:
    """The main column of the records whose cases are those of the best record.

    ``hits`` are the rows per case of all records of ``board``; None where none has any.
    """
    keys = [record.key for record in ranking.ranked(board) if _is_compared(record)]
    order = [key for key in keys if key in hits.columns]
    if not order:
        return None
    wide = hits.wide(order, MAIN)
    present = np.isfinite(wide)
    mine = present[:, 0]
    same = np.flatnonzero((present == mine[:, None]).all(0)).tolist()
    values, findings, patients = wide[mine][:, same], hits.findings[mine], hits.patients[mine]
    names = tuple(sorted({*findings.tolist()}))
    sums = by_patient(values, np.ones_like(values), findings, patients, names)
    columns = {order[n]: column for column, n in enumerate(same)}
    return MainColumn(columns, names, sums, *statistics.leave_one_out(sums))


def hits_of(board: Sequence[Record], folders: Sequence[Path]) -> CaseColumns:
    """The main column of a board's methods and baselines, a row per record and case: read at once.

    Raises ``DataError`` for broken rows.
    """
    return case_columns.read([record.cell for record in board if _is_compared(record)], folders, [MAIN])


def _is_compared(record: Record) -> bool:
    return select.is_method(record) or record.cell.method in BASELINES
