"""Records that are not packed yet: where they lie, one JSON file each, written whole or not at all."""

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmark.records.record import SCHEMA_VERSION, Cell, Record
from core.errors import DataError, first_problem
from core.files import write_json
from core.scores import Score

RESULTS, RUNS = "results", "runs"
REPAIR = "delete it and run the suite again"
"""What a user does about a broken record of a suite."""


def unpacked_folder(folder: Path | str) -> Path:
    """The folder of the unpacked records of a suite's results ``folder``: nothing in it is ever committed.

    Beside a folder called ``results`` it is ``runs/records/<suite>``; any other folder of results is no published one
    (``runs/results`` above all), and has them inside.

    >>> unpacked_folder("results/demo").as_posix(), unpacked_folder("runs/results/demo").as_posix()
    ('runs/records/demo', 'runs/results/demo/records')
    """
    folder = Path(folder)
    above = folder.parent
    if above.name == RESULTS and above.parent.name != RUNS:
        return above.parent / RUNS / "records" / folder.name
    return folder / "records"


def unpacked(folder: Path | str) -> list[Path]:
    """The JSON files of the unpacked records, also those of an earlier layout inside ``folder``, sorted by name.

    None where all are packed.
    """
    folders = dict.fromkeys((unpacked_folder(folder), Path(folder) / "records", Path(folder)))
    # a killed run may leave a hidden half of a file
    return sorted((file for where in folders for file in where.glob("[!.]*.json")), key=lambda file: file.name)


def path(folder: Path | str, cell: Cell) -> Path:
    """Where the record of a cell lies while the suite of ``folder`` is at work."""
    return unpacked_folder(folder) / f"{stem(cell)}.json"


def stem(cell: Cell) -> str:
    """The name of all files of a cell, without ending: readable words and the key.

    >>> stem(Cell(dataset="phantom", method="cam", protocol="locus")).rpartition("-")[0]
    'cam-locus'
    """
    words = (cell.backbone, cell.global_pool, cell.attention_map, cell.method, cell.alignment, cell.protocol, cell.key)
    return "-".join(_plain(word) for word in words if word)


@lru_cache(maxsize=1024)
def _plain(word: str) -> str:
    return re.sub(r"[^\w.=]+", "_", word)


def write(record: Record, folder: Path | str) -> Path:
    """Write the record of a cell, unpacked; its path.

    Fields stand in the order of the model, so that equal records are equal bytes; a score states only what differs
    from its defaults. Raises ``WriteError`` when the disk refuses.
    """
    where = path(folder, record.cell)
    strata = [{**stratum.model_dump(mode="json"), "scores": _stated(stratum.scores)} for stratum in record.strata]
    content = {**record.model_dump(mode="json"), "scores": _stated(record.scores), "strata": strata}
    write_json(where, {"key": record.key, **content})
    return where


def _stated(scores: Sequence[Score]) -> list[dict[str, Any]]:
    return [score.model_dump(mode="json", exclude_defaults=True) for score in scores]


def read(file: Path | str) -> Record:
    """One record of any schema version. Raises ``DataError`` with the path and what is wrong.

    A version that later checkouts write is refused, not guessed.
    """
    return parse(content(file), file)


def content(file: Path | str, mend: str = REPAIR) -> Any:
    """What a JSON file states, not yet looked at. Raises ``DataError``, which ends with how to ``mend`` it."""
    try:
        return json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"cannot read the record {file}: {error}; {mend}") from error


def parse(stated: Any, file: Path | str, mend: str = REPAIR) -> Record:
    """The record ``stated`` in a file of any schema version. Raises ``DataError``, which says how to ``mend`` it."""
    if not isinstance(stated, dict):
        raise DataError(f"the record {file} is no JSON object: {mend}")
    fields = {name: value for name, value in stated.items() if name != "key"}
    if (version := fields.get("schema_version")) != SCHEMA_VERSION:  # a later schema upgrades the fields of older ones
        reads = f"this checkout reads {SCHEMA_VERSION} to {SCHEMA_VERSION}"
        raise DataError(f"the record {file} has schema version {version!r}; {reads}: update it")
    try:
        record = Record.model_validate(fields)
    except ValidationError as error:
        where, message = first_problem(error)
        raise DataError(f"the record {file} is broken at {where or 'the record'}: {message}; {mend}") from error
    if stated.get("key") not in (None, record.key):
        keys = f"the key {stated['key']}, its cell gives {record.key}"
        raise DataError(f"the record {file} states {keys}: it was edited; {mend}")
    return record
