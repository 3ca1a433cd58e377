"""Per-case rows beside the records, for a user's own statistics: ``<suite>/cases/<protocol>/*.parquet``.

All files of a protocol have the same columns, so ``pandas.read_parquet("results/phantom/cases/locus")`` is one table.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
from pyarrow import parquet

from benchmark.records.files import stem
from benchmark.records.record import Cell
from core.errors import DataError
from core.files import atomic

CELL = ("model_id", "method", "alignment")


def path(folder: Path | str, cell: Cell) -> Path:
    """Where the rows of a cell lie below a suite's ``folder``."""
    return Path(folder) / "cases" / cell.protocol / f"{stem(cell)}.parquet"


def write(rows: Sequence[Mapping[str, Any]], cell: Cell, folder: Path | str) -> Path:
    """The ``table`` of a cell's rows as a file. The same rows give the same bytes."""
    where = path(folder, cell)
    plain = pyarrow.Table.from_pandas(table(rows, cell), preserve_index=False).replace_schema_metadata(None)
    with atomic(where) as temporary:  # what would say once more what the columns are is longer than small tables
        parquet.write_table(plain, temporary, compression="zstd", write_statistics=False, store_schema=False)
    return where


def table(rows: Sequence[Mapping[str, Any]], cell: Cell) -> pd.DataFrame:
    """The rows of a cell, in the columns in which its protocol names them; floats keep single precision.

    Before them stand the cell's key, model, method and alignment.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    found = pd.DataFrame.from_records([dict(row) for row in rows], columns=columns)
    floats = [*found.select_dtypes(np.float64).columns, *found.columns[found.isna().all()]]  # an empty column is one of numbers
    found = found.astype(dict.fromkeys(floats, np.float32))
    for place, (name, value) in enumerate([("key", cell.key), *((name, getattr(cell, name)) for name in CELL)]):
        found.insert(place, name, value)
    return found


def read(cell: Cell, folder: Path | str) -> pd.DataFrame:
    """The rows of a cell. Raises ``DataError`` where they are missing or broken."""
    where = path(folder, cell)
    if not where.is_file():
        raise DataError(f"no per-case rows {where}: run the suite again with --overwrite always")
    try:
        return pd.read_parquet(where)
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
        raise DataError(f"cannot read the cases {where}: {error}; run the suite again with --overwrite always") from error
