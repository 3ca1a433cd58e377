"""Read and write tables as Parquet files, atomically, with words as dictionaries."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import parquet

from core.errors import DataError, one_line
from core.files import atomic

LARGEST = 200_000_000
"""Maximum number of values in a file: thirty times those of 2,000 records of 1,000 cases each."""
DICT_STRING = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())


def read(file: Path, advice: str, columns: Sequence[str] | None = None, filters: Any = None) -> pyarrow.Table:
    """Read a Parquet file. Raises ``DataError`` with ``advice`` if it is missing or broken."""
    try:
        content = parquet.ParquetFile(file)
        if (count := content.metadata.num_rows * content.metadata.num_columns) > LARGEST:
            raise ValueError(f"it would unpack to {count:,} values: at most {LARGEST:,} are allowed")
        if filters is None:  # a filter imports pandas, which costs a third of a second
            return content.read(columns)
        return parquet.read_table(file, columns=columns, filters=filters, partitioning=None)
    except (OSError, ValueError, LookupError, pyarrow.ArrowException) as error:
        raise DataError(f"cannot read {file}: {one_line(error)}; {advice}") from error


def save(content: pyarrow.Table, file: Path) -> None:
    """Write a table atomically, unless ``file`` has the same content; bytes may differ otherwise."""
    if file.is_file():
        try:
            if parquet.read_table(file).equals(content):
                return
        except (OSError, ValueError, pyarrow.ArrowException):
            pass  # overwrite a broken file
    # scores have six decimals and repeat: a dictionary halves their size
    floats = [field.name for field in content.schema if pyarrow.types.is_float32(field.type)]
    with atomic(file) as temporary:
        parquet.write_table(
            content,
            temporary,
            compression="zstd",
            compression_level=14 if floats else 19,  # a higher level does not help rows per case
            use_dictionary=[name for name in content.schema.names if name not in floats],
            column_encoding=dict.fromkeys(floats, "BYTE_STREAM_SPLIT"),
            write_statistics=False,
            store_schema=True,
        )


def words(rows: pyarrow.Table) -> pyarrow.Table:
    """Convert dictionaries to plain strings."""
    types = [(f.name, pyarrow.string() if pyarrow.types.is_dictionary(f.type) else f.type) for f in rows.schema]
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
    present, content = array.buffers()
    rows = slice(array.offset, array.offset + len(array))
    values = np.frombuffer(content or b"", array.type.to_pandas_dtype())[rows]
    if not array.null_count:
        return values
    bits = np.unpackbits(np.frombuffer(present, np.uint8), bitorder="little")[rows]
    return np.where(bits == 1, values, np.asarray(nothing, values.dtype))
