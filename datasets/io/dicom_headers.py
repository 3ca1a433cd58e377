"""Read the headers of a data set's DICOM files and cache them in a table."""

import dataclasses
import functools
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from tqdm import tqdm

from core.errors import DataError
from core.files import json_hash, write_text
from datasets.io.content import MANY, content_stamp
from datasets.io.dicom import Header, header

log = logging.getLogger(__name__)


def read_headers(root: Path, files: Mapping[str, Path], cache: Path | None) -> tuple[dict[str, Header], list[str]]:
    """Return image -> header for the readable ``files`` in ``root``, and an error message for each of the others.

    The table in the folder ``cache`` has the name, modification time, length and header of each file; a broken table
    and outdated rows are ignored. Without ``cache``, each process reads all headers.
    """
    table = cache and cache / f"headers-{json_hash(str(root.resolve()))}.json"
    cached = _load_table(table) if table else {}
    good: dict[str, Header] = {}
    bad, read = [], dict[str, Any]()
    if len(files) - len(cached) > MANY:
        log.info("%s: reading the headers of %d files%s", root, len(files), ", once" if cache else "")
    for image, path in tqdm(files.items(), desc="read headers", unit="file", leave=False, disable=None):
        name, stamp = path.relative_to(root).as_posix(), content_stamp(path)
        row = cached.get(name)
        try:
            good[image] = row[2] if row and row[:2] == stamp else _header(path, stamp)
        except DataError as error:
            bad.append(str(error))
        else:
            read[name] = (*stamp, good[image])
    rows = {**cached, **read}
    if table and rows != cached:
        write_text(table, json.dumps(rows, default=dataclasses.asdict))
    return good, bad


@functools.cache
def _header(path: Path, stamp: tuple[int, ...]) -> Header:
    """Read the header of a file whose content has this ``stamp``."""
    return header(path)


def _load_table(table: Path) -> dict[str, Any]:
    """Return file name -> its stamp, two numbers, and header; empty if the table is missing or broken."""
    try:
        return TypeAdapter(dict[str, tuple[int, int, Header]]).validate_json(table.read_bytes())
    except (OSError, ValueError):
        return {}
