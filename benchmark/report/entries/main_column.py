"""The main column of a leaderboard by case, from the per-case rows of its records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.records import Record
from benchmark.report import select
from benchmark.report.entries import case_columns, ranking
from benchmark.report.entries.case_columns import CaseColumns
from benchmark.scoring.statistics import entries as statistics
from benchmark.scoring.statistics.entries import EntryScores
from benchmark.scoring.statistics.patients import Sums, by_patient
from core.names import BASELINES, MAIN
from core.types import FloatArray


@dataclass(frozen=True, eq=False)
class MainColumn:
    """The main column by patient, of records with the same cases."""

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
        """Return the scores of the training runs of a row.

        None if a run has no per-case rows, or other cases than the best row.
        """
        if any(record.key not in self.columns for record in group):
            return None
        index = [self.columns[record.key] for record in group]
        names = tuple(f"{r.source} {r.cell.model_id} {' '.join(r.checkpoints)}" for r in group)
        return EntryScores(names, self.theta[index], self.jackknife[index])

    def of_finding(self, name: str) -> "MainColumn":
        """Return the main column of a single finding, for the patients who have it.

        Raises ``ValueError`` for a finding that no case has.
        """
        here = slice(self.findings.index(name), self.findings.index(name) + 1)
        having = self.sums.denominator[:, here].any((1, 2))
        sums = Sums(self.sums.numerator[having, here], self.sums.denominator[having, here])
        return MainColumn(self.columns, (name,), sums, *statistics.leave_one_out(sums))


def column_of(records: Sequence[Record], hits: CaseColumns) -> MainColumn | None:
    """Return the main column of the records with the same cases as the best record, or None without any.

    ``hits``: per-case rows of ``records``.
    """
    keys = [record.key for record in ranking.ranked(records) if _is_compared(record)]
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


def hits_of(records: Sequence[Record], folders: Sequence[Path]) -> CaseColumns:
    """Read the main column of the methods and baselines, a row per record and case.

    Raises ``DataError`` for invalid rows.
    """
    return case_columns.read([record.cell for record in records if _is_compared(record)], folders, [MAIN])


def _is_compared(record: Record) -> bool:
    return select.is_method(record) or record.cell.method in BASELINES
