"""Rows per case, from which the scores of the records were computed.

Rows of the main protocol and of the checks are packed with the records: seed 0 in
``cases.parquet``, other seeds in ``cases-seed1.parquet`` and so on
(``pandas.read_parquet("results/phantom/cases.parquet")``). Columns of other threshold sources are not packed, and only
the lowest seed has the corners of boxes. Rows of other protocols stay with the unpacked records, in
``runs/records/<suite>/cases/<protocol>``, one file per record.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow

from locus.benchmark.records import storage
from locus.benchmark.records.record import Cell
from locus.benchmark.records.storage import rows_with, stem, unpacked_folder
from locus.core.errors import BadValueError, DataError, one_line
from locus.core.files import writing
from locus.core.names import MAIN_PROTOCOL
from locus.core.registry import CHECKS
from locus.core.scores import COUNTS, SHARES, require_range

if TYPE_CHECKING:
    import pandas as pd

CELL = ("model_id", "method", "alignment")
CASES = "cases.parquet"
BOX = ("x0", "y0", "x1", "y1")
WORDS = ("key", *CELL, "image", "patient", "finding")
"""Columns of texts without missing values."""
NUMBERS = ("threshold", *BOX)
"""Columns of numbers without a range."""
OTHER_SOURCES = ("threshold_", "iou_")
RUN_AGAIN = "run the suite again with --overwrite always"
ADVICE = f"restore it from version control, or delete it and {RUN_AGAIN}"


def path(folder: Path | str, cell: Cell) -> Path:
    """Return the path of a cell's rows while the suite of ``folder`` is running."""
    return unpacked_folder(folder) / "cases" / cell.protocol / f"{stem(cell)}.parquet"


def write(rows: Sequence[Mapping[str, Any]], cell: Cell, folder: Path | str) -> Path:
    """Write the ``table`` of a cell's rows as an unpacked file. The same rows give the same bytes."""
    file = path(folder, cell)
    content = pyarrow.Table.from_pandas(table(rows, cell), preserve_index=False)
    storage.save(content.replace_schema_metadata(None), file)
    return file


def table(rows: Sequence[Mapping[str, Any]], cell: Cell) -> "pd.DataFrame":
    """Return the rows of a cell: key, model, method and alignment, then the columns of the protocol.

    Floats have single precision.
    """
    import pandas as pd  # not needed to read records

    columns = list(dict.fromkeys(name for row in rows for name in row))
    frame = pd.DataFrame.from_records([dict(row) for row in rows], columns=columns)
    empty = frame.columns[frame.isna().all()]  # an empty column counts as numeric
    frame = frame.astype(
        dict.fromkeys([*frame.select_dtypes(np.float64).columns, *empty], np.float32)
    )
    frame.insert(0, "key", cell.key)
    for position, name in enumerate(CELL, start=1):
        frame.insert(position, name, getattr(cell, name))
    return frame


def packed_columns(names: Sequence[str], corners: bool) -> list[str]:
    """Return the columns that are packed: without other threshold sources, whose scores are in the records.

    >>> packed_columns(["image", "x0", "iou", "iou_oracle", "hit@iou.3"], corners=False)
    ['image', 'iou', 'hit@iou.3']
    """
    packed = [name for name in names if not name.startswith(OTHER_SOURCES)]
    return packed if corners else [name for name in packed if name not in BOX]


def packed_file(folder: Path | str, seed: int | None) -> Path:
    """Return the packed file of a training seed; there is one per seed, so that files stay small."""
    return Path(folder) / (f"cases-seed{seed}.parquet" if seed else CASES)


def exist(cell: Cell, folder: Path | str) -> bool:
    """Return True if a cell has rows, packed or not."""
    return path(folder, cell).is_file() or cell.key in _keys(packed_file(folder, cell.seed))


def read(cell: Cell, folder: Path | str) -> "pd.DataFrame":
    """Read the rows of a cell, unpacked before packed. Raises ``DataError`` if they are missing or broken."""
    if not exist(cell, folder):
        raise DataError(
            f"no per-case rows of {cell.model_id}, {cell.method} in {folder}: {RUN_AGAIN}"
        )
    return storage.words(read_columns([cell], folder)).to_pandas()


def read_columns(
    cells: Sequence[Cell], folder: Path | str, names: Sequence[str] | None = None
) -> pyarrow.Table:
    """Read ``key`` and the columns ``names`` (None: all) of the ``cells`` that have rows; strings are dictionaries.

    Much faster than reading many cells one by one. Raises ``DataError`` for a broken file.
    """
    columns = None if names is None else ("key", *names)
    remaining = {cell.key: cell for cell in cells}
    tables = []
    if (unpacked_folder(folder) / "cases").is_dir():
        for cell in cells:
            unpacked = path(folder, cell)
            if unpacked.is_file():
                tables.append(storage.dictionaries(_checked(unpacked, columns)))
                del remaining[cell.key]
    for file in dict.fromkeys(packed_file(folder, cell.seed) for cell in remaining.values()):
        if file.is_file():
            tables.append(rows_with(_packed(file, columns), "key", remaining))
    if not tables:
        schema = pyarrow.schema([(name, storage.DICT_STRING) for name in columns or ()])
        tables.append(schema.empty_table())
    return (
        pyarrow.concat_tables(tables, promote_options="permissive")
        .unify_dictionaries()
        .combine_chunks()
    )


def pack(seeds: Mapping[str, int | None], folder: Path) -> None:
    """Add the unpacked rows of the main protocol and of the checks to the packed ones.

    ``seeds``: cell key -> training seed. Rows of other cells are dropped; columns are those of ``packed_columns``, with
    the corners of boxes for the lowest seed. Raises ``DataError`` for a broken file, ``WriteError`` if a file cannot be
    written.
    """
    folders = [
        unpacked_folder(folder) / "cases" / protocol
        for protocol in (MAIN_PROTOCOL, *CHECKS.names())
    ]
    files: dict[str, Path] = {}  # key -> file: its name ends with the key
    for source in folders:
        files |= {file.stem[-16:]: file for file in sorted(source.glob("[!.]*.parquet"))}
    keys_by_file: dict[Path, set[str]] = {}
    for key, seed in sorted(
        seeds.items(), key=lambda pair: pair[1] or 0
    ):  # the file of the lowest seed is the first
        keys_by_file.setdefault(packed_file(folder, seed), set()).add(key)
    for number, (packed, keys) in enumerate(keys_by_file.items()):
        has_corners = number == 0
        unpacked = {key: file for key, file in files.items() if key in keys}
        names = _packed(packed).column_names if packed.is_file() else []
        if unpacked or not _keys(packed) <= keys or names != packed_columns(names, has_corners):
            rows = _joined(keys, unpacked, packed)
            _save(rows.select(packed_columns(rows.column_names, has_corners)), packed)
    for file in (*files.values(), *(set(folder.glob("cases*.parquet")) - keys_by_file.keys())):
        with writing(file):
            file.unlink(missing_ok=True)


def _joined(keys: Collection[str], paths: Mapping[str, Path], where: Path) -> pyarrow.Table:
    """Return the unpacked rows in ``paths`` (key -> file), and the packed rows of other ``keys`` in ``where``."""
    tables = []
    if where.is_file():
        remaining = {*keys} - paths.keys()
        tables.append(storage.words(rows_with(_packed(where), "key", remaining)))
    tables += [storage.read_parquet(file, ADVICE) for _, file in sorted(paths.items())]
    filled = [table for table in tables if len(table)] or [pyarrow.table({})]
    return pyarrow.concat_tables(filled, promote_options="permissive")


def _save(rows: pyarrow.Table, where: Path) -> None:
    """Write the rows of a seed in order, or remove the file if there are none."""
    if len(rows):
        storage.save(
            storage.dictionaries(rows.sort_by([(name, "ascending") for name in (*CELL, "key")])),
            where,
        )
    else:
        with writing(where):
            where.unlink(missing_ok=True)


def _keys(file: Path) -> set[str]:
    return set(_packed(file, ("key",))["key"].unique().to_pylist()) if file.is_file() else set()


def _packed(file: Path, columns: tuple[str, ...] | None = None) -> pyarrow.Table:
    """Read packed rows; they are cached until the file changes."""
    state = file.stat()
    return _read(file, columns, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=16)
def _read(file: Path, columns: tuple[str, ...] | None, *state: int) -> pyarrow.Table:
    return _checked(file, columns)


def _checked(file: Path, columns: Sequence[str] | None) -> pyarrow.Table:
    """Read rows and check their schema. Raises ``DataError`` for a missing or empty key, and an invalid type or value.

    Keys, images, patients, findings and names are texts without missing values; shares and counts have a range.
    """
    rows = storage.read_parquet(file, ADVICE, columns)
    if "key" not in rows.column_names:
        raise DataError(f"{file} has no column 'key': {ADVICE}")
    try:
        for name in rows.column_names:
            _require_column(name, rows[name])
    except (BadValueError, TypeError, ValueError, pyarrow.ArrowException) as error:
        raise DataError(
            f"{file} has an invalid column {name!r}: {one_line(error)}; {ADVICE}"
        ) from error
    return rows


def _require_column(name: str, column: pyarrow.ChunkedArray) -> None:
    is_number = pyarrow.types.is_floating(column.type) or pyarrow.types.is_integer(column.type)
    if is_number or pyarrow.types.is_boolean(column.type):
        if name in WORDS:
            raise ValueError("its values are numbers, not texts")
        numbers = storage.numbers(column.cast(pyarrow.float64()).combine_chunks(), np.nan)
        require_range(name, numbers)
        return
    if name in NUMBERS or SHARES.fullmatch(name) or COUNTS.fullmatch(name):
        raise ValueError("its values are not numbers")
    if name in WORDS and column.null_count:
        raise ValueError(f"{column.null_count} values are missing")
    storage.require_texts(column.unique().to_pylist())
