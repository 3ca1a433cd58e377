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
from locus.core.cli import CONFIGS
from locus.core.errors import BadValueError, DataError, one_line
from locus.core.files import writing
from locus.core.scores import Score, ScoreColumns, ThresholdSource, require_range

RECORDS_FILE, CELLS_FILE = "records.parquet", "cells.parquet"
ADVICE = "restore it from version control, or delete records.parquet and cells.parquet there and run the suite again"
CELL_FIELDS = (
    *("dataset", "partition", "split", "backbone", "global_pool", "attention_map"),
    *("img_size", "seed", "model_id", "method", "alignment", "protocol"),
)
"""Fields of the cell that every row has."""
NUMBERS = ("value", "low", "high", "n")
"""Fields of a score that are not words."""
SCORE_FIELDS = ("threshold_source", "finding", "metric", "value", "low", "high", "n", "reason")
SCHEMA = pyarrow.schema(
    [
        ("key", DICT_STRING),
        *((name, pyarrow.int64() if name in ("img_size", "seed") else DICT_STRING) for name in CELL_FIELDS),
        ("images", pyarrow.int64()),
        *((name, DICT_STRING) for name in ("variable", "group", "threshold_source", "finding", "metric")),
        *((name, pyarrow.float64()) for name in ("value", "low", "high")),
        ("n", pyarrow.int64()),
        *((name, DICT_STRING) for name in ("status", "reason", "source")),
    ]
)
CELLS_COLUMNS = ("key", "name", "status", "source", "record")
"""Columns of ``cells.parquet``; ``record`` is the record as JSON without its scores."""


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
        raise DataError(f"{folder} has no records: run `python -m benchmark.run` first or give another folder")
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
    cases.pack({record.key: record.cell.seed for record in to_pack}, folder)  # first: rows before records
    write_packed(to_pack, folder)
    for file in unpacked_files:
        with writing(file):
            file.unlink(missing_ok=True)


def published() -> Path:
    """Return the folder of the published results: that of the checkout, or in another folder that of the package."""
    here = Path(storage.RESULTS)
    return here if here.is_dir() else CONFIGS.parent / storage.RESULTS


def suites(results: Path | str) -> list[Path]:
    """Return the folders in ``results`` that contain records, sorted."""
    folders = (folder for folder in Path(results).glob("*") if folder.is_dir())
    return sorted(folder for folder in folders if (folder / CELLS_FILE).is_file() or unpacked(folder))


def ordered(records: Sequence[Record]) -> list[Record]:
    """Sort records by their file names, as ``load`` does."""
    return sorted(records, key=lambda record: stem(record.cell))


def write_packed(records: Sequence[Record], folder: Path) -> None:
    """Pack ``records``, in the order of their file names, into ``folder``.

    ``cells.parquet`` is written first: a record exists if it has a row there. An unpacked record takes precedence over
    its packed version. Unchanged files are not written. Raises ``WriteError`` if a file cannot be written.
    """
    named = sorted(((stem(record.cell), record) for record in records), key=lambda pair: pair[0])
    rows = [(record.key, name, record.status, record.source, _record_json(record)) for name, record in named]
    columns = zip(*rows, strict=True) if rows else [[]] * 5
    storage.save(pyarrow.table(dict(zip(CELLS_COLUMNS, columns, strict=True))), folder / CELLS_FILE)
    storage.save(_scores([record for _, record in named]), folder / RECORDS_FILE)


def read_packed(folder: Path) -> dict[str, Record]:
    """Return name -> packed record, sorted by name; empty if none is packed. Raises ``DataError`` for a broken file."""
    if not all((folder / name).is_file() for name in (CELLS_FILE, RECORDS_FILE)):  # killed between the two
        return {}
    cells = storage.read_parquet(folder / CELLS_FILE, ADVICE)
    scores = storage.read_parquet(folder / RECORDS_FILE, ADVICE, ["key", "variable", "group", *SCORE_FIELDS])
    try:
        scores_by_key = _by_key(storage.dictionaries(scores))
        rows = zip(*(cells[name].to_pylist() for name in ("key", "name", "record")), strict=True)
        contents = {n: _merge_scores(json.loads(text), scores_by_key.get(k, {})) for k, n, text in rows}
    except (BadValueError, LookupError, TypeError, ValueError, RecursionError, pyarrow.ArrowException) as error:
        reason = f"{type(error).__name__}: {one_line(error)}"
        raise DataError(f"the Parquet files in {folder} are not records of Locus ({reason}); {ADVICE}") from error
    return {name: parse(content, folder / CELLS_FILE, ADVICE) for name, content in contents.items()}


def records_containing(folder: Path, text: str) -> list[str]:
    """Return the packed records, as JSON without scores, that contain ``text``, such as a checkpoint's digest."""
    if not (folder / CELLS_FILE).is_file():
        return []
    records = storage.read_parquet(folder / CELLS_FILE, ADVICE, ["record"])["record"].to_pylist()
    return [record for record in records if text in record]


def _record_json(record: Record) -> str:
    left_out = {"scores", "subgroups"} if record.resampled else {"scores", "subgroups", "resampled"}
    fields = record.model_dump(mode="json", exclude=left_out)
    subgroups = [(subgroup.variable, subgroup.group) for subgroup in record.subgroups]
    return json.dumps({"key": record.key, **fields, "subgroups": subgroups}, ensure_ascii=False, allow_nan=False)


Groups = dict[tuple[str, str], ScoreColumns]
"""Variable and group of a subgroup -> its scores; ("", ""): the scores of all cases."""


def _merge_scores(about: dict[str, Any], scores: Groups) -> dict[str, Any]:
    """Combine the JSON of a record with its scores."""
    groups = [{"variable": v, "group": g, "scores": scores.get((v, g), ())} for v, g in about["subgroups"]]
    return {**about, "scores": scores.get(("", ""), ()), "subgroups": groups}


def _scores(records: Sequence[Record]) -> pyarrow.Table:
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    for record in records:
        rows = list(_rows(record))
        same = {name: getattr(record.cell, name) for name in (*CELL_FIELDS, "images")}
        for name, value in (same | {name: getattr(record, name) for name in ("key", "status", "source")}).items():
            columns[name] += [value] * len(rows)
        for name, values in zip(("variable", "group", *SCORE_FIELDS), zip(*rows, strict=True), strict=True):
            columns[name] += values
    return pyarrow.Table.from_pydict(columns, schema=SCHEMA)


def _rows(record: Record) -> Iterator[tuple[Any, ...]]:
    """Yield a row per score, subgroups last, or one row with the reason if there is no score."""
    for variable, group, scores in (
        ("", "", record.scores),
        *((s.variable, s.group, s.scores) for s in record.subgroups),
    ):
        for score in scores:
            yield (variable, group, *(getattr(score, name) for name in SCORE_FIELDS))
    if not record.scores:
        yield ("", "", None, None, None, None, None, None, None, record.reason)


def _by_key(scores: pyarrow.Table) -> dict[str, Groups]:
    """Return record key -> its scores."""
    coded = {name: _coded(scores[name]) for name in scores.column_names if name not in NUMBERS}
    numbers = {name: storage.numbers(scores[name].combine_chunks(), np.nan if name != "n" else 0) for name in NUMBERS}
    columns = [numbers[name] if name in numbers else _words(*coded[name]) for name in Score._fields]
    _require_valid(coded, numbers)
    names = _names(*(coded[name] for name in ("metric", "finding", "threshold_source")))
    grouped = [coded[name] for name in ("key", "variable", "group")]
    starts = np.flatnonzero(np.any([np.diff(codes, prepend=-1) != 0 for codes, _ in grouped], axis=0))
    groups = zip(*(_words(codes[starts], words).tolist() for codes, words in grouped), strict=True)
    ends = itertools.pairwise([*starts.tolist(), len(scores)])
    out: dict[str, Groups] = {}
    for (key, variable, group), (start, stop) in zip(groups, ends, strict=True):
        if names[start][0] is not None:  # a record without scores has a row without a metric
            out.setdefault(key, {})[variable, group] = ScoreColumns(columns, names, slice(start, stop))
    return out


def _require_valid(coded: Mapping[str, "Coded"], numbers: Mapping[str, NDArray[Any]]) -> None:
    """Raise ``ValueError`` for scores without a finding, with an unknown source, or with an invalid number or text."""
    for _, words in coded.values():
        require_texts(words)
    unknown = {*coded["threshold_source"][1]} - {None, *get_args(ThresholdSource)}
    if unknown:
        raise ValueError(f"the threshold source {unknown.pop()!r} is not known")
    codes, metrics = coded["metric"]
    missing = len(metrics) - 1
    findings, finding_words = coded["finding"]
    if ((codes != missing) & (findings == len(finding_words) - 1)).any():
        raise ValueError("a score has no finding")
    require_range("n", numbers["n"])
    for code, metric in enumerate(metrics[:-1]):
        of_metric = codes == code
        for name in NUMBERS[:3]:
            require_range(str(metric), numbers[name][of_metric])


Coded = tuple[NDArray[np.integer], list[str | None]]
"""A column of words: codes (N,), and the word of each code; the last is None, for a missing word."""


def _coded(column: pyarrow.ChunkedArray) -> Coded:
    array = column.combine_chunks()
    words = [*array.dictionary.to_pylist(), None]
    return storage.numbers(array.indices, len(words) - 1), words


def _words(codes: NDArray[np.integer], words: Sequence[Any]) -> NDArray[np.object_]:
    return np.fromiter(words, dtype=object, count=len(words))[codes]


def _names(*columns: Coded) -> NDArray[np.object_]:
    """Return the words of each row in several columns as a tuple; equal rows share it."""
    shape = [len(words) for _, words in columns]
    distinct, row = np.unique(np.ravel_multi_index([codes for codes, _ in columns], shape), return_inverse=True)
    parts = zip(np.unravel_index(distinct, shape), (words for _, words in columns), strict=True)
    return _words(row, [*zip(*(_words(codes, words).tolist() for codes, words in parts), strict=True)])
