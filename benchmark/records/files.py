"""Unpacked records: one JSON file each, written atomically."""

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmark.records.record import SCHEMA_VERSION, Cell, Record
from core.errors import DataError, first_problem
from core.files import write_json

RESULTS, RUNS = "results", "runs"
ADVICE = "delete it and run the suite again"
"""Advice for a broken record of a suite."""


def unpacked_folder(folder: Path | str) -> Path:
    """Return the folder of the unpacked records of a suite's results ``folder``; it is never committed.

    For ``results/<suite>`` it is ``runs/records/<suite>``. Other results folders, such as ``runs/results/<suite>``, are
    not published and contain it.

    >>> unpacked_folder("results/demo").as_posix(), unpacked_folder("runs/results/demo").as_posix()
    ('runs/records/demo', 'runs/results/demo/records')
    """
    folder = Path(folder)
    above = folder.parent
    if above.name == RESULTS and above.parent.name != RUNS:
        return above.parent / RUNS / "records" / folder.name
    return folder / "records"


def unpacked(folder: Path | str) -> list[Path]:
    """Return the JSON files of the unpacked records of a suite, sorted by name; empty if all are packed."""
    return sorted(unpacked_folder(folder).glob("[!.]*.json"))  # a killed run may leave a hidden, incomplete file


def path(folder: Path | str, cell: Cell) -> Path:
    """Return the path of a cell's record while the suite of ``folder`` is running."""
    return unpacked_folder(folder) / f"{stem(cell)}.json"


def stem(cell: Cell) -> str:
    """Return the name of all files of a cell, without suffix: readable words and the key.

    >>> stem(Cell(dataset="phantom", method="cam", protocol="locus")).rpartition("-")[0]
    'cam-locus'
    """
    words = (cell.backbone, cell.global_pool, cell.attention_map, cell.method, cell.alignment, cell.protocol, cell.key)
    return "-".join(_plain(word) for word in words if word)


@lru_cache(maxsize=1024)
def _plain(word: str) -> str:
    return re.sub(r"[^\w.=]+", "_", word)


def write(record: Record, folder: Path | str) -> Path:
    """Write the record of a cell, unpacked, and return its path.

    Fields are in a fixed order, so that equal records are equal bytes; scores contain only values that differ from the
    defaults. Raises ``WriteError`` if the file cannot be written.
    """
    where = path(folder, record.cell)
    write_json(where, {"key": record.key, **record.model_dump(mode="json")})
    return where


def read(file: Path | str) -> Record:
    """Read one record of a supported schema version. Raises ``DataError`` with the path and the problem."""
    return parse(content(file), file)


def content(file: Path | str, advice: str = ADVICE) -> Any:
    """Return the unvalidated content of a JSON file. Raises ``DataError`` with ``advice``."""
    try:
        return json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"cannot read the record {file}: {error}; {advice}") from error


def parse(loaded: Any, file: Path | str, advice: str = ADVICE) -> Record:
    """Validate the record ``loaded`` from a file. Raises ``DataError`` with ``advice``."""
    if not isinstance(loaded, dict):
        raise DataError(f"the record {file} is not a JSON object: {advice}")
    fields = {name: value for name, value in loaded.items() if name != "key"}
    if (version := fields.get("schema_version")) != SCHEMA_VERSION:  # a later schema converts the fields of older ones
        supported = f"this version of Locus reads version {SCHEMA_VERSION}: update Locus"
        raise DataError(f"the record {file} has schema version {version!r}; {supported}")
    try:
        record = Record.model_validate(fields)
    except ValidationError as error:
        where, message = first_problem(error)
        position = f" at {where}" if where else ""
        raise DataError(f"the record {file} is invalid{position}: {message}; {advice}") from error
    if loaded.get("key") not in (None, record.key):
        keys = f"the key {loaded['key']}, but its cell has the key {record.key}"
        raise DataError(f"the record {file} has {keys}, so it was edited: {advice}")
    return record
