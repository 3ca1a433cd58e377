"""Records on disk: ``<suite>/records/*.json``, written whole or not at all, and read with one sentence for what is broken."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmark.records.history import upgrade
from benchmark.records.record import Cell, Record, Score
from core.errors import DataError
from core.files import write_json


def path(folder: Path | str, cell: Cell) -> Path:
    """Where the record of a cell lies below a suite's ``folder``."""
    return Path(folder) / "records" / f"{stem(cell)}.json"


def stem(cell: Cell) -> str:
    """The name of all files of a cell, without ending: readable words and the key."""
    words = (cell.backbone, cell.global_pool, cell.attention_map, cell.method, cell.alignment, cell.protocol, cell.key)
    return "-".join(re.sub(r"[^\w.=]+", "_", word) for word in words if word)


def write(record: Record, folder: Path | str) -> Path:
    """Write one record below a suite's ``folder``; fields in the order of the model, so that equal records are equal bytes.

    A score states only what differs from its defaults.
    """
    where = path(folder, record.cell)
    strata = [{**stratum.model_dump(mode="json"), "scores": _stated(stratum.scores)} for stratum in record.strata]
    write_json(where, {"key": record.key, **record.model_dump(mode="json"), "scores": _stated(record.scores), "strata": strata})
    return where


def _stated(scores: Sequence[Score]) -> list[dict[str, Any]]:
    return [score.model_dump(mode="json", exclude_defaults=True) for score in scores]


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
