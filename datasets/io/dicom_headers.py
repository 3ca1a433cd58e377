"""Read the headers of a data set's DICOM files and cache them in a table."""

import dataclasses
import functools
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from core.errors import DataError
from core.files import key, write_text
from datasets.io.content import MANY, content_stamp
from datasets.io.dicom import Header, header

log = logging.getLogger(__name__)


def read_headers(root: Path, files: Mapping[str, Path], cache: Path | None) -> tuple[dict[str, Header], list[str]]:
    """Return image -> header for the readable ``files`` below ``root``, and an error message for each of the others.

    The table in the folder ``cache`` has the name, modification time, length and header of each file; broken or
    outdated rows are ignored. Without ``cache``, each process reads all headers.
    """
    table = cache and cache / f"headers-{key(str(root.resolve()))}.json"
    cached = _load_table(table) if table else {}
    good: dict[str, Header] = {}
    bad, fresh = [], {}
    if len(files) - len(cached) > MANY:
        log.info("%s: reading the headers of %d files%s", root, len(files), ", once" if cache else "")
    for image, path in tqdm(files.items(), desc="read headers", unit="file", leave=False, disable=None):
        name, mark = path.relative_to(root).as_posix(), _mark(path)
        if cached_header := _cached_header(cached.get(name), mark):
            good[image] = cached_header
            continue
        try:
            good[image] = _header(path, mark)
        except DataError as error:
            bad.append(str(error))
        else:
            fresh[name] = [*mark, dataclasses.asdict(good[image])]
    if table and fresh:
        write_text(table, json.dumps({**cached, **fresh}))
    return good, bad


def _mark(path: Path) -> tuple[int, int]:
    """Return the modification time and length of a file; (0, 0) if it is missing, because reading it reports that."""
    try:
        return content_stamp(path)
    except OSError:
        return 0, 0


@functools.cache
def _header(path: Path, mark: tuple[int, int]) -> Header:
    """Read the header of a file whose content has this ``mark``."""
    return header(path)


def _load_table(table: Path) -> dict[str, Any]:
    try:
        rows = json.loads(table.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return rows if isinstance(rows, dict) else {}


def _cached_header(row: Any, mark: tuple[int, int]) -> Header | None:
    """Return the header in a row of the table if the row is complete and matches the current file."""
    match row:
        case [*stamp, {"frame": [int(height), int(width)], "patient": str(patient), "meta": dict(meta)}] if (
            tuple(stamp) == mark
        ):
            return Header((height, width), patient, meta)
    return None
