"""Per-case rows of records, as arrays: columns of many records.

``CaseFolders``  folders with the rows of a user's records and of published ones
``CaseColumns``  columns of the rows of many records; ``read_columns`` reads them
``MainColumn``   a column of hits on common cases, which comparisons use: see ``column_of``

The files of these rows are read and written in ``locus.benchmark.records.cases``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow
from numpy.typing import NDArray

from locus.benchmark.records import Record, cases, floors, storage
from locus.benchmark.records.curves import Curves
from locus.benchmark.records.record import PUBLISHED
from locus.benchmark.report.grouping import grouped, run_names
from locus.core.names import DRAW_ERROR, MEAN_PREFIX
from locus.core.types import FloatArray
from locus.scoring.rechosen import RESAMPLES, as_jackknife, chosen_again, with_fixed_hits
from locus.scoring.statistics.mrmc import RowSamples, leave_one_out
from locus.scoring.statistics.resample import CaseGroups, CaseIndex, Sums

CASE = ("image", "patient", "finding")
Codes = NDArray[np.int64]


class CaseFolders(NamedTuple):
    """Folders with the rows per case of a run, and of the published records in the same tables."""

    folder: Path
    published: Path | None = None

    def of(self, record: Record) -> Path:
        """Return the folder that a record comes from."""
        return (
            self.published
            if record.source == PUBLISHED and self.published is not None
            else self.folder
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class CaseColumns:
    """N rows of records with K cases, ordered by image and finding as they were read."""

    rows: pyarrow.Table
    columns: dict[str, int]
    """Key of a record with rows -> its index."""
    record_index: Codes
    """(N,) index of each row's record."""
    cases: Codes
    """(N,) index of each row's case."""
    images: NDArray[np.str_]
    """(K,)."""
    findings: NDArray[np.str_]
    """(K,)."""
    patients: NDArray[np.str_]
    """(K,)."""

    def wide(self, keys: Sequence[str], name: str) -> FloatArray:
        """Return a column of the records ``keys`` as (K, keys); nan if a record lacks a case."""
        return self.spread(keys, column_as_floats(self.rows, name))

    def spread(self, keys: Sequence[str], rows: FloatArray) -> FloatArray:
        """Return values (N,) of all rows as (K, keys), for the records ``keys``; nan if a record lacks a case."""
        return np.concatenate([[np.nan], rows])[
            self._row_of[:, [self.columns[key] for key in keys]]
        ]

    @cached_property
    def _row_of(self) -> NDArray[np.int32]:
        """Number (K,R) of the row of each case and record, from 1; 0: none."""
        numbers = np.zeros(
            (len(self.findings), max(self.columns.values(), default=-1) + 1), dtype=np.int32
        )
        numbers[self.cases, self.record_index] = np.arange(1, len(self.cases) + 1)
        return numbers

    @property
    def in_all(self) -> Codes:
        """The cases that all records have."""
        return np.flatnonzero((self._row_of[:, [*self.columns.values()]] > 0).all(1))

    @cached_property
    def case_sets(self) -> dict[str, bytes]:
        """Key of a record -> the cases that it has, as packed bits (K,): equal for records with the same cases."""
        present = np.packbits(self._row_of > 0, axis=0)
        return {key: present[:, n].tobytes() for key, n in self.columns.items()}

    @cached_property
    def groups(self) -> CaseGroups:
        """The cases by patient and finding."""
        return CaseGroups.of(self.findings, self.patients)

    def hits(self, name: str) -> FloatArray:
        """Return a column of the threshold table (N,) as 0 and 1; nan where it is unknown.

        It is the stored column or, without one, made from the overlap of the box. Overlaps are stored in single
        precision, in which the threshold is compared. Where a baseline has a mean over draws of the folds, it is that
        mean, between 0 and 1.
        """
        of_one_draw = self._hits_of_one_draw(name)
        if f"{MEAN_PREFIX}{name}" not in self.rows.column_names:
            return of_one_draw
        means = column_as_floats(self.rows, f"{MEAN_PREFIX}{name}")
        return np.where(np.isfinite(means), means, of_one_draw)

    def _hits_of_one_draw(self, name: str) -> FloatArray:
        """Return a column of the threshold table (N,) of the boxes in the rows."""
        measure, _, level = name.removeprefix("hit@").partition(".")
        stored = column_as_floats(self.rows, name) if name in self.rows.column_names else None
        if measure not in self._overlaps or (stored is not None and np.isfinite(stored).all()):
            return np.full(len(self.record_index), np.nan) if stored is None else stored
        overlap, is_known = self._overlaps[measure]
        computed = np.where(is_known, overlap > np.float32(f".{level}"), np.nan)
        return computed if stored is None else np.where(np.isfinite(stored), stored, computed)

    @cached_property
    def _overlaps(self) -> dict[str, tuple[NDArray[np.float32], NDArray[np.bool_]]]:
        """Measure of overlap -> its column (N,), and where it is known."""
        names = [name for name in ("iou", "iobb") if name in self.rows.column_names]
        columns = {name: column_as_floats(self.rows, name).astype(np.float32) for name in names}
        return {name: (column, np.isfinite(column)) for name, column in columns.items()}


def read_columns(
    records: Sequence[Record], folders: CaseFolders, names: Sequence[str]
) -> CaseColumns:
    """Read the columns ``names`` of all ``records`` with rows, each from the folder that the record comes from.

    Raises ``DataError`` for invalid rows.
    """
    by_folder = grouped(records, folders.of) or {folders.folder: []}
    tables = [
        cases.read_columns([record.cell for record in group], folder, [*CASE, *names])
        for folder, group in by_folder.items()
    ]
    # Empty tables have no column types.
    tables = [table for table in tables if len(table)] or tables[:1]
    rows = pyarrow.concat_tables(tables, promote_options="permissive").unify_dictionaries()
    record_of_row, keys = codes(rows, "key")
    image_of_row, images = codes(rows, "image")
    patient_of_row, patients = codes(rows, "patient")
    finding_of_row, findings = codes(rows, "finding")
    # A pair is an image and a finding; cases are those that have rows.
    pair_of_row = image_of_row * len(findings) + finding_of_row
    has_rows = np.bincount(pair_of_row, minlength=len(images) * len(findings)) > 0
    image_of_case, finding_of_case = np.divmod(np.flatnonzero(has_rows), max(len(findings), 1))
    patient_of_image = np.zeros(len(images), dtype=np.int64)
    patient_of_image[image_of_row] = patient_of_row
    case_of_pair = np.cumsum(has_rows) - 1
    patient_of_case = patient_of_image[image_of_case]
    return CaseColumns(
        rows=rows,
        columns={str(keys[n]): n for n in np.unique(record_of_row).tolist()},
        record_index=record_of_row,
        cases=case_of_pair[pair_of_row],
        images=images[image_of_case],
        findings=findings[finding_of_case],
        patients=patients[patient_of_case],
    )


def codes(rows: pyarrow.Table, name: str) -> tuple[Codes, NDArray[np.str_]]:
    """Return a dictionary column as (N,) codes and the array of its categories; codes agree across files."""
    column = rows[name].combine_chunks()
    categories = np.array(column.dictionary.to_pylist(), dtype=str)
    return storage.numbers(column.indices).astype(np.int64), categories


def column_as_floats(rows: pyarrow.Table, name: str) -> FloatArray:
    """Convert a column of numbers or booleans to floats; missing values become nan.

    >>> column_as_floats(pyarrow.table({"hit": [True, None, False]}), "hit").tolist()
    [1.0, nan, 0.0]
    """
    return storage.numbers(rows[name].cast(pyarrow.float64()).combine_chunks(), np.nan)


@dataclass(frozen=True, eq=False, kw_only=True)
class MainColumn:
    """A column of hits, of M records with the same N cases of P patients."""

    columns: Mapping[str, int]
    """Key of a record -> its column."""
    hits: FloatArray
    """(N,M) 0 or 1, or a mean over draws of the folds."""
    groups: CaseGroups
    """The cases by patient and finding."""
    theta: FloatArray
    """(M,) scores: means over findings."""
    jackknife: FloatArray
    """(M,P) the scores with one patient left out."""
    index: CaseIndex
    """Finding and patient of the cases."""
    images: NDArray[np.str_]
    """(N,) image of the cases."""

    def with_thresholds_chosen_again(
        self, row: RowSamples, keys: Sequence[str], curves: Mapping[str, Curves]
    ) -> RowSamples:
        """Return the scores of the records ``keys`` of a row with resamples of patients.

        In each resample, records with curves choose their thresholds again; the hits of the others stay.
        """
        resamples = [
            self._chosen_again(curves[key]) if key in curves else self._with_fixed_hits(key)
            for key in keys
        ]
        return replace(row, resampled=as_jackknife(np.stack(resamples)))

    def made_again(self, row: RowSamples, scores: FloatArray) -> RowSamples:
        """Return the scores of a baseline with its scores (B,) in resamples that make it again, equal for all runs."""
        resampled = np.tile(scores, (len(row.runs), 1))
        return replace(row, resampled=as_jackknife(resampled), resamples_draw_folds=True)

    @property
    def hash_of_cases(self) -> str:
        """Hash of the cases, to find the stored resamples of baselines."""
        patients = self.index.patients.tolist()
        findings = self.index.findings.tolist()
        return floors.hash_of_cases(self.images.tolist(), patients, findings, RESAMPLES)

    def _chosen_again(self, curves: Curves) -> FloatArray:
        """Return the resampled scores (B,) of a record with curves on the cases of this column."""
        row_of = {
            pair: n for n, pair in enumerate(zip(curves.images, curves.findings, strict=True))
        }
        order = [row_of[pair] for pair in zip(self.images, self.index.findings, strict=True)]
        return chosen_again(curves.hits()[order], self.index)

    def _with_fixed_hits(self, key: str) -> FloatArray:
        """Return the resampled scores (B,) of a record whose hits stay."""
        return with_fixed_hits(self.hits[:, self.columns[key]], self.index)

    def entry(self, group: Sequence[Record]) -> RowSamples | None:
        """Return the scores of the training runs of a row.

        None if a run has no per-case rows, or other cases than the best row.
        """
        if any(record.key not in self.columns for record in group):
            return None
        index = [self.columns[record.key] for record in group]
        scores = [record.find(DRAW_ERROR) for record in group]
        errors = [score.value or 0.0 for score in scores if score is not None]
        return RowSamples(
            runs=run_names(group),
            theta=self.theta[index],
            jackknife=self.jackknife[index],
            draw_error=max(errors, default=0.0),
        )

    def sums(self, keys: Sequence[str]) -> Sums:
        """Return hits and cases of the records ``keys`` by patient and finding."""
        hits = self.hits[:, [self.columns[key] for key in keys]]
        return self.groups.sums(hits, np.ones_like(hits))


def column_of(records: Sequence[Record], rows: CaseColumns, name: str) -> MainColumn | None:
    """Return a column of the ``records`` with the same cases as the first of them, or None without any."""
    keys = [record.key for record in records if record.key in rows.columns]
    if not keys:
        return None
    hits = rows.spread(keys, rows.hits(name))
    is_known = np.isfinite(hits)
    in_first = is_known[:, 0]
    with_same_cases = np.flatnonzero((is_known == in_first[:, None]).all(0))
    hits = hits[np.ix_(in_first, with_same_cases)]
    findings = rows.findings[in_first]
    patients = rows.patients[in_first]
    groups = CaseGroups.of(findings, patients)
    theta, jackknife = leave_one_out(hits, np.broadcast_to(1.0, hits.shape), groups)
    columns = {keys[n]: column for column, n in enumerate(with_same_cases.tolist())}
    return MainColumn(
        columns=columns,
        hits=hits,
        groups=groups,
        theta=theta,
        jackknife=jackknife,
        index=CaseIndex.of(findings.tolist(), patients.tolist()),
        images=rows.images[in_first],
    )
