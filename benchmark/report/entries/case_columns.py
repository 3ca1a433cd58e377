"""Columns of the per-case rows of many records."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow
from numpy.typing import NDArray

from benchmark.records import Cell, arrow, cases
from core.types import FloatArray

CASE = ("image", "patient", "finding")
Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CaseColumns:
    """N rows of records with K cases, ordered by image and finding as they were read."""

    rows: pyarrow.Table
    columns: dict[str, int]
    """Key of a record with rows -> its index."""
    record_index: Codes
    """(N,) index of each row's record."""
    cases: Codes
    """(N,) index of each row's case."""
    findings: NDArray[np.str_]
    """(K,)."""
    patients: NDArray[np.str_]
    """(K,)."""

    def wide(self, keys: Sequence[str], name: str) -> FloatArray:
        """Return a column of the records ``keys`` as (K, keys); nan if a record lacks a case."""
        column = np.full(max(self.columns.values(), default=0) + 1, -1)
        column[[self.columns[key] for key in keys]] = np.arange(len(keys))
        position = column[self.record_index]
        mine = position >= 0
        values = np.full((len(self.findings), len(keys)), np.nan)
        values[self.cases[mine], position[mine]] = column_as_floats(self.rows, name)[mine]
        return values


def read(cells: Sequence[Cell], folders: Sequence[Path], names: Sequence[str]) -> CaseColumns:
    """Read the columns ``names`` of all ``cells`` with rows; if several folders have a case, the first one is used.

    Raises ``DataError`` for invalid rows.
    """
    tables = [cases.read_columns(cells, folder, [*CASE, *names]) for folder in reversed(folders)]  # the last row wins
    tables = [table for table in tables if len(table)] or tables[:1]  # empty tables have no column types
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
    """Return a dictionary column as (N,) codes and the array of its words; codes agree across files."""
    column = rows[name].combine_chunks()
    return arrow.numbers(column.indices).astype(np.int64), np.array(column.dictionary.to_pylist(), dtype=str)


def column_as_floats(rows: pyarrow.Table, name: str) -> FloatArray:
    """Convert a column of numbers or booleans to floats; missing values become nan.

    >>> column_as_floats(pyarrow.table({"hit": [True, None, False]}), "hit").tolist()
    [1.0, nan, 0.0]
    """
    return arrow.numbers(rows[name].cast(pyarrow.float64()).combine_chunks(), np.nan)
