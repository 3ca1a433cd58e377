"""Files of a suite's results: unpacked records, Parquet tables, and the lock of the folder. All are written atomically.

``write``, ``read``           unpacked records, one JSON file each, while the suite is running
``save``, ``read_parquet``    tables as Parquet files, with words as dictionaries
``only_writer``               a lock of a folder for one writer at a time

What the tables contain is in ``packed`` (records) and ``cases`` (rows per case).
"""

import contextlib
import fcntl
import hashlib
import json
import logging
import mmap
import os
import re
import socket
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute
from numpy.typing import NDArray
from pyarrow import parquet
from pydantic import ValidationError

from locus.benchmark.records.record import SCHEMA_VERSION, Cell, Record
from locus.core.errors import (
    BadValueError,
    DataError,
    HeldError,
    first_problem,
    one_line,
    require_shown,
)
from locus.core.files import atomic, open_no_symlink, write_json, writing

log = logging.getLogger(__name__)
RESULTS, RUNS = "results", "runs"
ADVICE = "delete it and run the suite again"
"""Advice for a broken record of a suite."""
MAX_VALUES = 200_000_000
"""Maximum number of values in a file: thirty times those of 2,000 records of 1,000 cases each."""
DICT_STRING = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
CHECKSUM = b"locus.sha256"
NO_CHECKSUM = b"0" * 64
LOCK_NAME = ".lock"


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
    return sorted(
        unpacked_folder(folder).glob("[!.]*.json")
    )  # a killed run may leave a hidden, incomplete file


def path(folder: Path | str, cell: Cell) -> Path:
    """Return the path of a cell's record while the suite of ``folder`` is running."""
    return unpacked_folder(folder) / f"{stem(cell)}.json"


def stem(cell: Cell) -> str:
    """Return the name of all files of a cell, without suffix: readable words and the key.

    >>> stem(Cell(dataset="phantom", method="cam", protocol="single_box")).rpartition("-")[0]
    'cam-single_box'
    """
    values = (
        cell.backbone,
        cell.global_pool,
        cell.attention_map,
        cell.method,
        cell.alignment,
        cell.protocol,
        cell.key,
    )
    return "-".join(_plain(value) for value in values if value)


@lru_cache(maxsize=1024)
def _plain(text: str) -> str:
    return re.sub(r"^\.+|[^\w.=]+", "_", text)  # no hidden file


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
    version = fields.get("schema_version")
    if version != SCHEMA_VERSION:  # a later schema converts the fields of older ones
        supported = f"this version of Locus reads version {SCHEMA_VERSION}: update Locus"
        raise DataError(f"the record {file} has schema version {version!r}; {supported}")
    try:
        require_texts(_texts(fields))
        record = Record.model_validate(fields)
    except ValidationError as error:
        where, message = first_problem(error)
        position = f" at {where}" if where else ""
        raise DataError(f"the record {file} is invalid{position}: {message}; {advice}") from error
    except BadValueError as error:
        raise DataError(f"the record {file} is invalid: {error}; {advice}") from error
    if loaded.get("key") not in (None, record.key):
        keys = f"the key {loaded['key']}, but its cell has the key {record.key}"
        raise DataError(f"the record {file} has {keys}, so it was edited: {advice}")
    return record


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts in JSON, also the keys of objects."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts([*value])
        yield from _texts([*value.values()])
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def require_texts(texts: Iterable[str | None]) -> None:
    """Raise ``BadValueError`` for a text with control, invisible or direction-changing characters; None is missing."""
    for text in texts:
        if text is not None:
            require_shown(text)


def read_parquet(file: Path, advice: str, columns: Sequence[str] | None = None) -> pyarrow.Table:
    """Read a Parquet file. Raises ``DataError`` with ``advice`` if it is missing or differs from its checksum."""
    try:
        _refuse_damaged(file)
        content = parquet.ParquetFile(file)
        count = content.metadata.num_rows * content.metadata.num_columns
        if count > MAX_VALUES:
            raise ValueError(
                f"it would unpack to {count:,} values: at most {MAX_VALUES:,} are allowed"
            )
        return content.read(columns)
    except (OSError, ValueError, LookupError, pyarrow.ArrowException) as error:
        raise DataError(f"cannot read {file}: {one_line(error)}; {advice}") from error


def save(content: pyarrow.Table, file: Path) -> None:
    """Write a table atomically, unless ``file`` has the same content; bytes may differ otherwise."""
    if file.is_file():
        with contextlib.suppress(DataError):  # a broken file is overwritten
            if read_parquet(file, ADVICE).equals(content):
                return
    # scores have six decimals and repeat: a dictionary halves their size
    floats = [field.name for field in content.schema if pyarrow.types.is_float32(field.type)]
    split = [
        name for name in floats if name != "threshold"
    ]  # cases of a finding share their thresholds
    periodic = ("image", "patient", "finding")  # every cell has the same sequence of words
    with atomic(file) as temporary:
        with parquet.ParquetWriter(
            temporary,
            content.schema,
            compression="zstd",
            compression_level=14 if floats else 19,  # a higher level does not help rows per case
            use_dictionary=[
                name for name in content.schema.names if name not in (*floats, *periodic)
            ],
            column_encoding=dict.fromkeys(split, "BYTE_STREAM_SPLIT"),
            write_statistics=False,
            store_schema=True,
        ) as writer:
            writer.write_table(content)
            writer.add_key_value_metadata({CHECKSUM: NO_CHECKSUM})
        position, checksum = _checksum(temporary.read_bytes())
        with temporary.open("r+b") as stream:
            stream.seek(position)
            stream.write(checksum)


def _checksum(content: bytes | mmap.mmap) -> tuple[int, bytes]:
    """Return the position of a Parquet file's checksum, 0 if it has none, and its right value.

    The checksum is in the file's metadata. It is computed with zeros at its position, so it covers every other byte.
    """
    name = content.rfind(CHECKSUM)
    if name < 0:
        return 0, b""
    position = name + len(CHECKSUM) + 2  # after the type and the length of the value
    digest = hashlib.sha256(content[:position])
    digest.update(NO_CHECKSUM + content[position + len(NO_CHECKSUM) :])
    return position, digest.hexdigest().encode()


def _refuse_damaged(file: Path) -> None:
    """Raise ``ValueError`` for a Parquet file that differs from its checksum. Older files have none."""
    with (
        file.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        position, checksum = _checksum(content)
        if position and content[position : position + len(checksum)] != checksum:
            raise ValueError("it is damaged: it differs from its checksum")


def rows_with(rows: pyarrow.Table, name: str, values: Collection[str]) -> pyarrow.Table:
    """Return the rows that have one of the ``values`` in the column ``name``."""
    return rows.filter(
        pyarrow.compute.is_in(rows[name], value_set=pyarrow.array([*values], pyarrow.string()))
    )


def words(rows: pyarrow.Table) -> pyarrow.Table:
    """Convert dictionaries to plain strings."""
    types = [
        (f.name, pyarrow.string() if pyarrow.types.is_dictionary(f.type) else f.type)
        for f in rows.schema
    ]
    return rows.cast(pyarrow.schema(types))


def dictionaries(rows: pyarrow.Table) -> pyarrow.Table:
    """Convert strings to dictionaries, which store repeated values once."""
    for n, field in enumerate(rows.schema):
        if pyarrow.types.is_string(field.type) or pyarrow.types.is_large_string(field.type):
            column = rows.column(n).cast(pyarrow.string()).combine_chunks().dictionary_encode()
            rows = rows.set_column(n, field.name, column)
    return rows.combine_chunks()


def numbers(array: pyarrow.Array, nothing: float = 0) -> NDArray[Any]:
    """Convert to NumPy, with ``nothing`` for missing values. Arrow's ``to_numpy`` would import pandas (half a second).

    >>> numbers(pyarrow.array([1.5, None]), np.nan).tolist()
    [1.5, nan]
    """
    return np.from_dlpack(array.fill_null(nothing))


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Run the block as the only writer of ``folder``.

    The kernel releases the lock when its process ends, for whatever reason, so a lock file that is left over blocks
    nobody. A record lock (``lockf``) is not inherited by forked children, and NFS passes it on to other machines.

    Raises ``HeldError`` with the process that holds the lock, ``WriteError`` if the lock file cannot be written.
    """
    path = folder / LOCK_NAME
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        file = open_no_symlink(path, "a+b")
    with file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            file.seek(0)
            holder = one_line(file.read(200).decode(errors="replace")) or "a new process"
            raise HeldError(
                f"another run is writing to {folder} ({holder}): wait until it ends, or stop it"
            ) from None
        except OSError as error:
            log.warning(
                "%s cannot be locked (%s): make sure that only one run writes to it",
                folder,
                error.strerror,
            )
        with contextlib.suppress(OSError):  # a full disk must not stop the run
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
            file.flush()
        yield
