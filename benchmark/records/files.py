"""Records on disk: ``<suite>/records/*.json``, written whole or not at all, and read with one sentence for what is broken."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmark.records.history import upgrade
from benchmark.records.record import Cell, Record, Score
from core.errors import DataError
from core.files import write_json

MEND = "delete it and run the suite again"
"""What a user does about a broken record of a suite."""


def path(folder: Path | str, cell: Cell) -> Path:
    """Where the record of a cell lies below a suite's ``folder``."""
    return Path(folder) / "records" / f"{stem(cell)}.json"


def renew(folder: Path | str, there: Iterable[Record], wanted: Iterable[Record]) -> list[Record]:
    """Make the records ``there`` below a suite's ``folder`` into the ``wanted`` ones, which are returned.

    Those of cells that are not wanted are removed, and those that have not changed are not touched. Raises ``WriteError``
    when the disk refuses.
    """
    old, new = {record.key: record for record in there}, {record.key: record for record in wanted}
    for key in old.keys() - new.keys():
        path(folder, old[key].cell).unlink()
    for key, record in new.items():
        if old.get(key) != record:
            write(record, folder)
    return list(new.values())


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
    return parse(content(file), file)


def content(file: Path | str, mend: str = MEND) -> Any:
    """What a JSON file states, not yet looked at. Raises ``DataError``, which ends with how to ``mend`` it."""
    try:
        return json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the record {file}: {error}; {mend}") from error


def parse(stated: Any, file: Path | str, mend: str = MEND) -> Record:
    """The record that is ``stated`` in a file, at any schema version. Raises ``DataError``, which ends with how to ``mend`` it."""
    if not isinstance(stated, dict):
        raise DataError(f"the record {file} is no JSON object: {mend}")
    fields = {name: value for name, value in stated.items() if name != "key"}
    try:
        record = Record.model_validate(upgrade(fields, Path(file)))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the record"
        raise DataError(f"the record {file} is broken at {where}: {first['msg']}; {mend}") from error
    if stated.get("key") not in (None, record.key):
        raise DataError(f"the record {file} states the key {stated['key']}, its cell gives {record.key}: it was edited; {mend}")
    return record


def load(folder: Path | str) -> list[Record]:
    """All records of a suite's folder (or of its ``records`` folder), sorted by file name.

    Raises ``DataError`` for a folder that does not exist and for a broken record.
    """
    return [read(file) for file in _files(Path(folder))]


def brief(folder: Path | str, metric: str) -> list[Record]:
    """The same without strata and with the scores of one ``metric`` alone: all that an index shows, in a fraction of the time."""
    return [parse(_shortened(content(file), metric), file) for file in _files(Path(folder))]


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"no folder {folder} with records: run `python -m benchmark.run` first or give another folder")
    inner = folder / "records"
    return sorted((inner if inner.is_dir() else folder).glob("[!.]*.json"))  # a killed run may leave a hidden half of one


def _shortened(stated: Any, metric: str) -> Any:
    """A record's fields without those that ``brief`` leaves out; what is no record stays for ``parse`` to tell."""
    if not isinstance(stated, dict) or not isinstance(stated.get("scores"), list):
        return stated
    kept = [score for score in stated["scores"] if not isinstance(score, dict) or score.get("metric") == metric]
    return {**stated, "scores": kept, "strata": []}
