"""Packed records of a suite: ``records.parquet`` has a row per score, ``cells.parquet`` a row per record.

Published files have these names, so they stay, although the rows of ``records.parquet`` are scores. Each has the cell,
value, interval and n of a score. A record without scores has one row with its status and reason and without a metric.
Rows per case are in other files: see ``locus.benchmark.records.cases``.
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow
from numpy.typing import NDArray

from locus.benchmark.records import cases, storage
from locus.benchmark.records.record import Record
from locus.benchmark.records.storage import DICT_STRING, parse, require_texts, stem, unpacked
from locus.core.errors import BadValueError, DataError, one_line
from locus.core.files import writing
from locus.core.scores import Score, ScoreColumns, ThresholdSource, require_range
from locus.flags.cli import CONFIGS

RECORDS_FILE = "records.parquet"
CELLS_FILE = "cells.parquet"
ADVICE = "restore it from version control, or delete records.parquet and cells.parquet there and run the suite again"
CELL_FIELDS = (
    *("dataset", "partition", "split", "backbone", "global_pool", "attention_map"),
    *("img_size", "seed", "model_id", "method", "alignment", "protocol"),
)
"""Fields of the cell that every row has."""
NUMBERS = ("value", "low", "high", "n")
"""Fields of a score that are not words."""
SCORE_FIELDS = ("threshold_source", "finding", "metric", "value", "low", "high", "n", "reason")
COLUMNS = (
    *("key", *CELL_FIELDS, "images", "variable", "group", "threshold_source", "finding", "metric"),
    *("value", "low", "high", "n", "status", "reason", "source"),
)
"""Columns of ``records.parquet``."""
INTEGERS = dict.fromkeys(("img_size", "seed", "images", "n"), pyarrow.int64())
FLOATS = dict.fromkeys(("value", "low", "high"), pyarrow.float64())
TYPES = {**INTEGERS, **FLOATS}
"""Columns that are not text."""
SCHEMA = pyarrow.schema([(name, TYPES.get(name, DICT_STRING)) for name in COLUMNS])


def load(folder: Path | str) -> list[Record]:
    """Load all records of a suite's results ``folder``, packed or not, in the order of their file names.

    An unpacked record replaces the packed one of its cell. Raises ``DataError`` for a missing folder and for a broken
    file.

    >>> len(load("results/demo")) > 1
    True
    """
    folder = Path(folder)
    unpacked_files = unpacked(folder)
    if not folder.is_dir() and not unpacked_files:
        raise DataError(
            f"{folder} has no records: run `python -m benchmark.run` first or give another folder"
        )
    records = read_packed(folder) | {file.stem: storage.read(file) for file in unpacked_files}
    return [record for _, record in sorted(records.items())]


def pack(folder: Path | str, records: Sequence[Record] | None = None) -> None:
    """Pack ``records`` (None: all) in ``folder``, with the rows per case of the main protocol.

    Columns of the rows are those of ``cases.packed_columns``. JSON files and unpacked rows are removed after everything
    is written: if the process is killed, nothing is lost and the next call resumes. The same records give
    the same files. Raises ``DataError`` and ``WriteError``.
    """
    folder = Path(folder)
    to_pack = load(folder) if records is None else list(records)
    unpacked_files = unpacked(folder)
    cases.pack(
        {record.key: record.cell.seed for record in to_pack}, folder
    )  # first: rows before records
    write_packed(to_pack, folder)
    for file in unpacked_files:
        with writing(file):
            file.unlink(missing_ok=True)


def published() -> Path:
    """Return the folder of the published results: that of the checkout, or in another folder that of the package."""
    folder = Path(storage.RESULTS)
    return folder if folder.is_dir() else CONFIGS.parent / storage.RESULTS


def suites(results: Path | str) -> list[Path]:
    """Return the folders in ``results`` that contain records, sorted."""
    folders = (folder for folder in Path(results).glob("*") if folder.is_dir())
    return sorted(
        folder for folder in folders if (folder / CELLS_FILE).is_file() or unpacked(folder)
    )


def ordered(records: Sequence[Record]) -> list[Record]:
    """Sort records by their file names, as ``load`` does."""
    return sorted(records, key=lambda record: stem(record.cell))


def write_packed(records: Sequence[Record], folder: Path) -> None:
    """Pack ``records``, in the order of their file names, into ``folder``.

    In ``cells.parquet``, ``record`` is the record as JSON without its scores. This file is written first: a record
    exists if it has a row there. An unpacked record takes precedence over its packed version. Unchanged files are not
    written. Raises ``WriteError`` if a file cannot be written.
    """
    in_order = ordered(records)
    documents = [_record_json(record) for record in in_order]
    columns = {
        "key": [record.key for record in in_order],
        "name": [stem(record.cell) for record in in_order],
        "status": [record.status for record in in_order],
        "source": [record.source for record in in_order],
        "record": documents,
    }
    storage.save(pyarrow.table(columns), folder / CELLS_FILE)
    storage.save(_scores(in_order), folder / RECORDS_FILE)


def read_packed(folder: Path) -> dict[str, Record]:
    """Return name -> packed record, sorted by name; empty if none is packed. Raises ``DataError`` for a broken file."""
    if not all(
        (folder / name).is_file() for name in (CELLS_FILE, RECORDS_FILE)
    ):  # killed between the two
        return {}
    cells = storage.read_parquet(folder / CELLS_FILE, ADVICE)
    scores = storage.read_parquet(
        folder / RECORDS_FILE, ADVICE, ["key", "variable", "group", *SCORE_FIELDS]
    )
    try:
        scores_by_key = _by_key(storage.dictionaries(scores))
        contents = {}
        for row in cells.select(["key", "name", "record"]).to_pylist():
            about = json.loads(row["record"])
            contents[row["name"]] = _merge_scores(about, scores_by_key.get(row["key"], {}))
    except (
        BadValueError,
        LookupError,
        TypeError,
        ValueError,
        RecursionError,
        pyarrow.ArrowException,
    ) as error:
        reason = f"{type(error).__name__}: {one_line(error)}"
        raise DataError(
            f"the Parquet files in {folder} are not records of Locus ({reason}); {ADVICE}"
        ) from error
    return {name: parse(content, folder / CELLS_FILE, ADVICE) for name, content in contents.items()}


def records_containing(folder: Path, text: str) -> list[str]:
    """Return the packed records, as JSON without scores, that contain ``text``, such as a checkpoint's digest."""
    if not (folder / CELLS_FILE).is_file():
        return []
    records = storage.read_parquet(folder / CELLS_FILE, ADVICE, ["record"])["record"].to_pylist()
    return [record for record in records if text in record]


def _record_json(record: Record) -> str:
    left_out = {"scores", "subgroups"}
    if not record.resampled:
        left_out.add("resampled")
    fields = record.model_dump(mode="json", exclude=left_out)
    subgroups = [(subgroup.variable, subgroup.group) for subgroup in record.subgroups]
    return json.dumps(
        {"key": record.key, **fields, "subgroups": subgroups}, ensure_ascii=False, allow_nan=False
    )


Groups = dict[tuple[str, str], ScoreColumns]
"""Variable and group of a subgroup -> its scores; ("", ""): the scores of all cases."""


def _merge_scores(about: dict[str, Any], scores: Groups) -> dict[str, Any]:
    """Combine the JSON of a record with its scores."""
    subgroups = []
    for variable, group in about["subgroups"]:
        of_group = scores.get((variable, group), ())
        subgroups.append({"variable": variable, "group": group, "scores": of_group})
    return {**about, "scores": scores.get(("", ""), ()), "subgroups": subgroups}


def _scores(records: Sequence[Record]) -> pyarrow.Table:
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    for record in records:
        rows = list(_rows(record))
        cell_values = {name: getattr(record.cell, name) for name in (*CELL_FIELDS, "images")}
        common_values = {
            **cell_values,
            "key": record.key,
            "status": record.status,
            "source": record.source,
        }
        for name, value in common_values.items():
            columns[name] += [value] * len(rows)
        by_column = zip(*rows, strict=True)
        for name, values in zip(("variable", "group", *SCORE_FIELDS), by_column, strict=True):
            columns[name] += values
    return pyarrow.Table.from_pydict(columns, schema=SCHEMA)


def _rows(record: Record) -> Iterator[tuple[Any, ...]]:
    """Yield a row per score, subgroups last, or one row with the reason if there is no score."""
    for score in record.scores:
        yield ("", "", *(getattr(score, name) for name in SCORE_FIELDS))
    for subgroup in record.subgroups:
        for score in subgroup.scores:
            yield (
                subgroup.variable,
                subgroup.group,
                *(getattr(score, name) for name in SCORE_FIELDS),
            )
    if not record.scores:
        yield ("", "", None, None, None, None, None, None, None, record.reason)


def _by_key(scores: pyarrow.Table) -> dict[str, Groups]:
    """Return record key -> its scores."""
    coded = {name: _coded(scores[name]) for name in scores.column_names if name not in NUMBERS}
    numbers = {}
    for name in NUMBERS:
        missing = 0 if name == "n" else np.nan
        numbers[name] = storage.numbers(scores[name].combine_chunks(), missing)
    columns = [
        numbers[name] if name in numbers else _decoded(*coded[name]) for name in Score._fields
    ]
    _require_valid(coded, numbers)
    names = _names(coded["metric"], coded["finding"], coded["threshold_source"])
    # a group is a run of rows: it ends where one of its three words changes
    of_group = [coded[name] for name in ("key", "variable", "group")]
    has_changed = [np.diff(codes, prepend=-1) != 0 for codes, _ in of_group]
    starts = np.flatnonzero(np.any(has_changed, axis=0))
    keys, variables, groups = (_decoded(codes[starts], texts).tolist() for codes, texts in of_group)
    rows = itertools.pairwise([*starts.tolist(), len(scores)])
    scores_by_key: dict[str, Groups] = {}
    for key, variable, group, (start, stop) in zip(keys, variables, groups, rows, strict=True):
        metric, _, _ = names[start]
        if metric is not None:  # a record without scores has a row without a metric
            scores_by_key.setdefault(key, {})[variable, group] = ScoreColumns(
                columns, names, slice(start, stop)
            )
    return scores_by_key


def _require_valid(coded: Mapping[str, "Coded"], numbers: Mapping[str, NDArray[Any]]) -> None:
    """Raise ``ValueError`` for scores without a finding, with an unknown source, or with an invalid number or text."""
    for _, texts in coded.values():
        require_texts(texts)
    unknown = {*coded["threshold_source"][1]} - {None, *get_args(ThresholdSource)}
    if unknown:
        raise ValueError(f"the threshold source {unknown.pop()!r} is not known")
    metric_codes, metrics = coded["metric"]
    finding_codes, findings = coded["finding"]
    has_metric = metric_codes != len(metrics) - 1
    lacks_finding = finding_codes == len(findings) - 1
    if (has_metric & lacks_finding).any():
        raise ValueError("a score has no finding")
    require_range("n", numbers["n"])
    for code, metric in enumerate(metrics[:-1]):
        of_metric = metric_codes == code
        for name in ("value", "low", "high"):
            require_range(str(metric), numbers[name][of_metric])


Coded = tuple[NDArray[np.integer], list[str | None]]
"""A column of words: codes (N,), and the word of each code; the last is None, for a missing word."""


def _coded(column: pyarrow.ChunkedArray) -> Coded:
    array = column.combine_chunks()
    texts = [*array.dictionary.to_pylist(), None]
    return storage.numbers(array.indices, len(texts) - 1), texts


def _decoded(codes: NDArray[np.integer], texts: Sequence[Any]) -> NDArray[np.object_]:
    return np.fromiter(texts, dtype=object, count=len(texts))[codes]


def _names(*columns: Coded) -> NDArray[np.object_]:
    """Return the words of each row in several columns as a tuple; equal rows share it."""
    shape = [len(texts) for _, texts in columns]
    number = np.ravel_multi_index([codes for codes, _ in columns], shape)
    distinct, row = np.unique(number, return_inverse=True)
    distinct_codes = np.unravel_index(distinct, shape)
    distinct_texts = [
        _decoded(codes, texts) for codes, (_, texts) in zip(distinct_codes, columns, strict=True)
    ]
    return _decoded(row, list(zip(*distinct_texts, strict=True)))
