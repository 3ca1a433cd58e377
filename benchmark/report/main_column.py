"""The main column of a leaderboard case by case, read from the rows per case of its records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.records import Cell, Record, cases
from benchmark.report import ranking, select
from benchmark.statistics import entries as statistics
from benchmark.statistics.entries import EntryScores
from benchmark.statistics.patients import Sums, by_patient
from core.names import BASELINES, MAIN
from core.types import FloatArray

CASE = ["image", "patient", "finding"]


@dataclass(frozen=True, eq=False)
class BoardRow:
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
    findings: tuple[str, ...]
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

    def of_finding(self, name: str) -> "MainColumn":
        """The same of one finding alone."""
        here = slice(self.findings.index(name), self.findings.index(name) + 1)
        sums = Sums(self.sums.numerator[:, here], self.sums.denominator[:, here])
        return MainColumn(self.columns, (name,), sums, *statistics.leave_one_out(sums))

    def of(self, rows: Sequence[BoardRow]) -> Sums:
        """The sums of all trainings of some rows, row by row."""
        index = [self.columns[record.key] for row in rows for record in row.group]
        return Sums(self.sums.numerator[:, :, index], self.sums.denominator[:, :, index])


def main_column(board: Sequence[Record], folders: Sequence[Path]) -> MainColumn | None:
    """The main column case by case of a board's methods and baselines; None where none has rows in ``folders``."""
    return column_of(board, hits_of(board, folders))


def column_of(board: Sequence[Record], frame: pd.DataFrame) -> MainColumn | None:
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
    names = tuple(sorted({*findings}))
    sums = by_patient(values, np.ones_like(values), findings, patients, names)
    columns = {order[n]: column for column, n in enumerate(same)}
    return MainColumn(columns, names, sums, *statistics.leave_one_out(sums))


def _wide(frame: pd.DataFrame, keys: Sequence[str]) -> tuple[FloatArray, pd.DataFrame]:
    """(cases, keys) hits, nan where a record lacks a case; and what the cases are of."""
    images, findings = pd.factorize(frame["image"])[0], pd.factorize(frame["finding"])[0]
    _, first, numbers = np.unique(images * (findings.max() + 1) + findings, return_index=True, return_inverse=True)
    wide = np.full((len(first), len(keys)), np.nan)
    wide[numbers, pd.Index(keys).get_indexer(pd.Index(frame["key"]))] = frame[MAIN]
    return wide, frame.iloc[first]


def hits_of(board: Sequence[Record], folders: Sequence[Path]) -> pd.DataFrame:
    """The main column of a board's methods and baselines, a row per record and case: read at once."""
    cells: list[Cell] = [record.cell for record in board if _is_compared(record)]
    tables = [cases.read_columns(cells, folder, [*CASE, MAIN]) for folder in folders]
    return pd.concat(tables, ignore_index=True).drop_duplicates(["key", "image", "finding"])


def _is_compared(record: Record) -> bool:
    return select.is_method(record) or record.cell.method in BASELINES
