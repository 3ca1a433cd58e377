"""Records on disk: ``<suite>/records/*.json``, written whole or not at all, and read with one sentence for what is broken."""

import json
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmark.records.history import upgrade
from benchmark.records.record import Cell, Record
from core.errors import DataError
from core.files import write_json


def path(folder: Path | str, cell: Cell) -> Path:
    """Where the record of a cell lies below a suite's ``folder``: readable words and the key."""
    words = (cell.backbone, cell.global_pool, cell.attention_map, cell.method, cell.alignment, cell.protocol, cell.key)
    name = "-".join(re.sub(r"[^\w.=]+", "_", word) for word in words if word)
    return Path(folder) / "records" / f"{name}.json"


def write(record: Record, folder: Path | str) -> Path:
    """Write one record below a suite's ``folder``; fields in the order of the model, so that equal records are equal bytes.

    A score states only what differs from its defaults.
    """
    where = path(folder, record.cell)
    scores = [score.model_dump(mode="json", exclude_defaults=True) for score in record.scores]
    write_json(where, {"key": record.key, **record.model_dump(mode="json"), "scores": scores})
    return where


def read(file: Path | str) -> Record:
    """One record of any schema version. Raises ``DataError`` with the path and what is wrong."""
    try:
        content = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the record {file}: {error}; delete it and run the suite again") from error
    return _parse(content, Path(file))


def load(folder: Path | str) -> list[Record]:
    """All records of a suite's folder (or of its ``records`` folder), sorted by file name.

    Raises ``DataError`` for a folder that does not exist and for a broken record.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"no folder {folder} with records: run `python -m benchmark.run` first or give another folder")
    inner = folder / "records"
    return [read(file) for file in sorted((inner if inner.is_dir() else folder).glob("*.json"))]


def _parse(content: Any, file: Path) -> Record:
    if not isinstance(content, dict):
        raise DataError(f"the record {file} is no JSON object: delete it and run the suite again")
    stated = content.pop("key", None)
    try:
        record = Record.model_validate(upgrade(content, file))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the record"
        raise DataError(f"the record {file} is broken at {where}: {first['msg']}; delete it and run the suite again") from error
    if stated not in (None, record.key):
        raise DataError(f"the record {file} states the key {stated}, its cell gives {record.key}: it was edited; delete it and run again")
    return record
