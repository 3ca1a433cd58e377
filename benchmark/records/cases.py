"""Rows per case behind the records, for a user's own statistics.

Those of the main protocol and of the check ``faithfulness`` are packed with the records:
``pandas.read_parquet("results/phantom/cases.parquet")`` is one table, that of seed 0; another seed has
``cases-seed1.parquet`` … beside it. The lowest has all columns, the others those of ``brief`` alone. Those of other
protocols stay with the unpacked records, ``runs/records/<suite>/cases/<protocol>``, a file per record.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow
import pyarrow.compute

from benchmark.records import arrow, packed
from benchmark.records.files import stem, unpacked_folder
from benchmark.records.record import Cell
from core.errors import DataError
from core.files import writing
from core.names import FAITHFULNESS, MAIN_PROTOCOL

if TYPE_CHECKING:
    import pandas as pd

CELL = ("model_id", "method", "alignment")
CASES = "cases.parquet"
PACKED = (MAIN_PROTOCOL, FAITHFULNESS)
BOX = ("x0", "y0", "x1", "y1", "iobb")
OTHER_ORIGINS = ("threshold_", "iou_")
AGAIN = "run the suite again with --overwrite always"
MEND = f"restore it from version control, or delete it and {AGAIN}"


def path(folder: Path | str, cell: Cell) -> Path:
    """Where the rows of a cell lie while the suite of ``folder`` is at work."""
    return unpacked_folder(folder) / "cases" / cell.protocol / f"{stem(cell)}.parquet"


def write(rows: Sequence[Mapping[str, Any]], cell: Cell, folder: Path | str) -> Path:
    """The ``table`` of a cell's rows as an unpacked file. The same rows give the same bytes."""
    where = path(folder, cell)
    arrow.save(pyarrow.Table.from_pandas(table(rows, cell), preserve_index=False).replace_schema_metadata(None), where)
    return where


def table(rows: Sequence[Mapping[str, Any]], cell: Cell) -> "pd.DataFrame":
    """The rows of a cell in their protocol's columns, behind the cell's key, model, method and alignment.

    Floats keep single precision.
    """
    import pandas as pd  # who reads records alone does without

    columns = list(dict.fromkeys(name for row in rows for name in row))
    frame = pd.DataFrame.from_records([dict(row) for row in rows], columns=columns)
    empty = frame.columns[frame.isna().all()]  # an empty column is one of numbers
    frame = frame.astype(dict.fromkeys([*frame.select_dtypes(np.float64).columns, *empty], np.float32))
    for position, (name, value) in enumerate([("key", cell.key), *((name, getattr(cell, name)) for name in CELL)]):
        frame.insert(position, name, value)
    return frame


def brief(names: Sequence[str]) -> list[str]:
    """The columns that a leaderboard of several trainings rests on: without boxes and other origins of thresholds.

    >>> brief(["image", "x0", "iou", "iou_oracle", "hit@iou.3"])
    ['image', 'iou', 'hit@iou.3']
    """
    return [name for name in names if name not in BOX and not name.startswith(OTHER_ORIGINS)]


def packed_file(folder: Path | str, seed: int | None) -> Path:
    """Where the rows of a training seed are packed: a file each, so that none grows with the number of trainings."""
    return Path(folder) / (f"cases-seed{seed}.parquet" if seed else CASES)


def exist(cell: Cell, folder: Path | str) -> bool:
    """Whether there are rows of a cell, packed or not."""
    return bool(_unpacked_files(cell, folder) or _packed_with(cell, folder))


def read(cell: Cell, folder: Path | str) -> "pd.DataFrame":
    """The rows of a cell, unpacked ones before packed ones. Raises ``DataError`` where they are missing or broken."""
    if unpacked := _unpacked_files(cell, folder):
        return arrow.read(unpacked[0], MEND).to_pandas()
    if files := _packed_with(cell, folder):
        return arrow.words(_only(_packed(files[0]), [cell.key])).to_pandas()
    raise DataError(f"no per-case rows of {cell.model_id}, {cell.method} in {folder}: {AGAIN}")


def read_columns(cells: Sequence[Cell], folder: Path | str, names: Sequence[str]) -> pyarrow.Table:
    """``key`` and the columns ``names`` of those ``cells`` that have rows, as one table; words as dictionaries.

    Where many cells are asked for, it is far quicker than one after the other. Raises ``DataError`` for a broken file.
    """
    columns, wanted = ["key", *names], {cell.key: cell for cell in cells}
    tables = []
    for cell in cells:
        if unpacked := _unpacked_files(cell, folder):
            tables.append(arrow.dictionaries(arrow.read(unpacked[0], MEND, columns)))
            del wanted[cell.key]
    files = dict.fromkeys(file for cell in wanted.values() for file in _packed_files(cell.seed, folder))
    tables += [_only(arrow.read(file, MEND, columns), wanted) for file in files]
    tables = tables or [pyarrow.schema([(name, arrow.DICT_STRING) for name in columns]).empty_table()]
    return pyarrow.concat_tables(tables, promote_options="permissive").unify_dictionaries().combine_chunks()


def pack(seeds: Mapping[str, int | None], folder: Path) -> None:
    """Add the unpacked rows of ``PACKED`` protocols to the packed ones; ``seeds``: key of a cell -> its training seed.

    Those of other cells are dropped; of seeds but the lowest the ``brief`` columns are kept. Raises ``DataError`` for a
    broken file, ``WriteError`` when the disk refuses.
    """
    parents = unpacked_folder(folder), folder  # the latter in an earlier layout
    folders = [parent / "cases" / protocol for parent in parents for protocol in PACKED]
    files = {file.stem[-16:]: file for source in folders for file in sorted(source.glob("[!.]*.parquet"))}
    numbers = {key: seed or 0 for key, seed in seeds.items()}
    for seed in sorted({0, *numbers.values()}, reverse=True):  # 0 last: in an earlier layout it holds other seeds too
        of_seed = {key for key, number in numbers.items() if number == seed}
        unpacked = {key: file for key, file in files.items() if key in of_seed}
        in_brief = seed != min(numbers.values(), default=0)
        if unpacked or not _is_packed(of_seed, seed, folder, in_brief):
            rows = _joined(of_seed, unpacked, seed, folder)
            _save(rows.select(brief(rows.column_names)) if in_brief else rows, packed_file(folder, seed))
    current = {packed_file(folder, seed) for seed in {0, *numbers.values()}}
    for file in (*files.values(), *(set(folder.glob("cases-seed*.parquet")) - current)):
        with writing(file):
            file.unlink(missing_ok=True)


def _is_packed(keys: Collection[str], seed: int, folder: Path, in_brief: bool) -> bool:
    """Whether the file of a seed holds all rows of ``keys`` that are packed, no others, and no more than is wanted."""
    where = packed_file(folder, seed)
    kept, names = _keys(where), _packed(where).column_names if where.is_file() else []
    elsewhere = {key for file in _packed_files(seed, folder) for key in _keys(file)} - kept
    return kept <= {*keys} and not elsewhere & {*keys} and not (in_brief and names != brief(names))


def _joined(keys: Collection[str], files: Mapping[str, Path], seed: int, folder: Path) -> pyarrow.Table:
    """The rows of one seed: packed ones of ``keys``, and the unpacked ones in ``files`` (key -> file)."""
    tables, rest = [], {*keys} - files.keys()
    for file in _packed_files(seed, folder):
        tables.append(arrow.words(_only(_packed(file), _keys(file) & rest)))
        rest -= _keys(file)
    tables += [arrow.read(file, MEND) for _, file in sorted(files.items())]
    filled = [table for table in tables if len(table)] or [pyarrow.table({})]
    return pyarrow.concat_tables(filled, promote_options="permissive")


def _save(rows: pyarrow.Table, where: Path) -> None:
    """Write the rows of a seed in their order, or remove the file of one that has none."""
    if len(rows):
        arrow.save(arrow.dictionaries(rows.sort_by([(name, "ascending") for name in (*CELL, "key")])), where)
    else:
        with writing(where):
            where.unlink(missing_ok=True)


def _only(rows: pyarrow.Table, keys: Collection[str]) -> pyarrow.Table:
    """The packed rows that have one of the ``keys``; what else makes a mask of Arrow imports pandas."""
    array = rows["key"].combine_chunks()
    known = np.array([word in keys for word in array.dictionary.to_pylist()], dtype=bool)
    bits = np.packbits(known[packed.numbers(array.indices)], bitorder="little")
    mask = pyarrow.Array.from_buffers(pyarrow.bool_(), len(array), [None, pyarrow.py_buffer(bits)])
    return pyarrow.compute.filter(rows, mask)


def _packed_files(seed: int | None, folder: Path | str) -> list[Path]:
    """The files that may hold the packed rows of a seed; the second in an earlier layout."""
    return [file for file in dict.fromkeys([packed_file(folder, seed), Path(folder) / CASES]) if file.is_file()]


def _packed_with(cell: Cell, folder: Path | str) -> list[Path]:
    """The packed files that have rows of a cell."""
    return [file for file in _packed_files(cell.seed, folder) if cell.key in _keys(file)]


def _unpacked_files(cell: Cell, folder: Path | str) -> list[Path]:
    """The files of a cell's rows that are not packed; the second in an earlier layout."""
    files = path(folder, cell), Path(folder) / "cases" / cell.protocol / f"{stem(cell)}.parquet"
    return [file for file in files if file.is_file()]


def _keys(file: Path) -> set[str]:
    return set(_packed(file)["key"].unique().to_pylist()) if file.is_file() else set()


def _packed(file: Path) -> pyarrow.Table:
    """The packed rows, read once as long as they do not change."""
    state = file.stat()
    return _read(file, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=16)
def _read(file: Path, *state: int) -> pyarrow.Table:
    return arrow.read(file, MEND)
