"""Columns of the rows per case of many records, case by case and record by record."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow
from numpy.typing import NDArray

from benchmark.records import Cell, cases, packed
from core.types import FloatArray

CASE = ("image", "patient", "finding")
Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CaseColumns:
    """N rows of records, whose K cases are ordered by image and finding as these were read."""

    rows: pyarrow.Table
    columns: dict[str, int]
    """Key of a record that has rows -> its number."""
    record_index: Codes
    """(N,) the record of a row."""
    cases: Codes
    """(N,) the case of a row."""
    findings: NDArray[np.str_]
    """(K,)."""
    patients: NDArray[np.str_]
    """(K,)."""

    def wide(self, keys: Sequence[str], name: str) -> FloatArray:
        """(K, keys) a column of the records ``keys``, nan where a record lacks a case."""
        column = np.full(max(self.columns.values(), default=0) + 1, -1)
        column[[self.columns[key] for key in keys]] = np.arange(len(keys))
        position = column[self.record_index]
        mine = position >= 0
        values = np.full((len(self.findings), len(keys)), np.nan)
        values[self.cases[mine], position[mine]] = column_as_floats(self.rows, name)[mine]
        return values


def read(cells: Sequence[Cell], folders: Sequence[Path], names: Sequence[str]) -> CaseColumns:
    """The columns ``names`` of those ``cells`` that have rows; of a case in several folders those of the first.

    Raises ``DataError`` for broken rows.
    """
    tables = [cases.read_columns(cells, folder, [*CASE, *names]) for folder in reversed(folders)]  # the last row stands
    tables = [table for table in tables if len(table)] or tables[:1]  # one without rows knows no types
    rows = pyarrow.concat_tables(tables, promote_options="permissive").unify_dictionaries()
    (number, keys), (image, images), (patient, patients), (finding, findings) = (codes(rows, n) for n in ("key", *CASE))
    case = image * len(findings) + finding
    present = np.bincount(case, minlength=len(images) * len(findings)) > 0
    patient_of = np.zeros(len(images), dtype=np.int64)
    patient_of[image] = patient
    image_of, finding_of = np.divmod(np.flatnonzero(present), max(len(findings), 1))
    return CaseColumns(
        rows,
        {str(keys[n]): n for n in np.unique(number).tolist()},
        number,
        (np.cumsum(present) - 1)[case],
        findings[finding_of],
        patients[patient_of[image_of]],
    )


def codes(rows: pyarrow.Table, name: str) -> tuple[Codes, NDArray[np.str_]]:
    """A column of words as numbers, and the words that these stand for.

    (N,) numbers into the words; equal words have equal numbers across files.
    """
    column = rows[name].combine_chunks()
    return packed.numbers(column.indices).astype(np.int64), np.array(column.dictionary.to_pylist(), dtype=str)


def column_as_floats(rows: pyarrow.Table, name: str) -> FloatArray:
    """A column of numbers or of yes and no, nan for nothing.

    >>> column_as_floats(pyarrow.table({"hit": [True, None, False]}), "hit").tolist()
    [1.0, nan, 0.0]
    """
    return packed.numbers(rows[name].cast(pyarrow.float64()).combine_chunks(), np.nan)
