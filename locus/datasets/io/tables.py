"""Read the tables and lists of a data set as text, and check their cells. Every error names the file.

``read_csv``, ``read_list``, ``reading_json``  read a file and check its shape
``inside``, ``below``  check that a path in a table stays in the folder
``check_links``  check where links in a folder lead
``years``, ``numbers``, ``read_xywh``  parse ages (of tables and DICOM headers), numbers and boxes
``raise_if_any``, ``refuse_duplicates``, ``refuse_unknown``  report wrong cells with examples

The limit of a file's size is in ``locus.core.limits``. What the columns mean is in the file of each data set.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import gzip
import importlib.util
import io
import itertools
import json
import math
import re
import stat
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from locus.core import limits
from locus.core.errors import DataError, UnknownNameError, examples, one_line
from locus.core.frames import xywh_to_xyxy
from locus.core.types import FloatArray
from locus.datasets.io import pd

OLDEST = 120
"""Maximum age in years; larger values are typing errors."""
IN_A_YEAR = {"": 1.0, "Y": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}
"""Units of a DICOM age string (value representation AS), and a plain number of years."""
LONGEST, LONGEST_NAME = 1000, 200
"""Maximum characters of a path in a table, and bytes of a name in it."""
STAY = "the files of a data set must be in its folder, named by relative paths"
NO_LINK = "correct it, or give the folder with the files themselves with --data_root_dir (benchmark.check: --root)"
TABLES = (".csv", ".txt", ".json", ".xml")
"""Extensions of tables and lists."""

AS_TEXT: dict[str, Any] = {"dtype": str, "keep_default_na": False, "skipinitialspace": True}
AS_CSV = "save it as CSV in UTF-8, with comma-separated cells and decimal points"
OTHERS = {b";": "semicolons", b"\t": "tabs"}
"""Cell separators of unsupported tables."""
MAX_COLUMNS = 2000
"""Maximum number of columns."""
PACKAGE = Path(__file__).parents[2]
MAX_START = 200_000
"""Maximum bytes of the header and the first row."""


@functools.cache
def years(text: str) -> float:
    """Return an age in years; nan if it is invalid or above 120.

    >>> years("061Y"), years("18M"), years(" 44 "), years("unknown"), years("411Y")
    (61.0, 1.5, 44.0, nan, nan)
    """
    match = re.fullmatch(r"(\d{1,4}(?:\.\d*)?)([YMWD]?)", text.strip().upper())
    age = float(match[1]) / IN_A_YEAR[match[2]] if match else math.nan
    return age if age <= OLDEST else math.nan


def inside(root: Path, cell: str, table: Path) -> Path:
    """Return the path in ``root`` that a ``cell`` of ``table`` contains. The file may be missing.

    Raises ``DataError`` for an empty or too long cell, an absolute path, ``..``, and as ``check_links`` does.
    """
    path = below(root, cell, table)
    check_links([path], root)
    return path


def below(root: Path, cell: str, table: Path) -> Path:
    """Do the same as ``inside`` without checking links; call ``check_links`` once for many cells.

    >>> below(Path("data"), "images/a.png", Path("labels.csv")).as_posix()
    'data/images/a.png'
    """
    longest = max((len(name.encode()) for name in Path(cell).parts), default=0)
    if not cell or "\0" in cell:
        raise DataError(f"{table} has the path {cell[:40]!r}, which is empty or contains a NUL character: correct it")
    if len(cell) > LONGEST or longest > LONGEST_NAME:
        limit = f"at most {LONGEST} characters, and {LONGEST_NAME} bytes per name, are allowed"
        raise DataError(f"{table} has the path {cell[:40]!r}…, which is too long: {limit}")
    if Path(cell).is_absolute() or ".." in Path(cell).parts or "\\" in cell:
        raise DataError(f"{table} has the invalid path {cell!r}: {STAY} with / and without ..")
    return root / cell


def check_links(paths: Iterable[Path], root: Path) -> None:
    """Raise ``DataError`` for the first link among the paths, and among their folders in ``root``, that is not usable.

    A link may lead anywhere, to an existing folder or regular file. A table must keep its extension: a link in
    somebody's archive could lead to any text file of this machine.
    """
    seen = {root}
    for path in paths:
        _check_link(path, root, seen)


def _check_link(path: Path, root: Path, seen: set[Path]) -> None:
    """Check each folder in ``root`` once, then the path."""
    if path.parent not in seen and path.parent != path:
        _check_link(path.parent, root, seen)
        seen.add(path.parent)
    try:
        if not path.is_symlink():
            return
        mode, end = path.stat().st_mode, path.resolve()
    except FileNotFoundError:
        raise DataError(f"the link {path} leads to {path.readlink()}, which does not exist: {NO_LINK}") from None
    except (OSError, RuntimeError) as error:  # a name that is too long, links in a circle
        raise DataError(f"cannot follow the link {path} ({one_line(error)}): {NO_LINK}") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise DataError(f"the link {path} leads to {end}, which is neither a file nor a folder: {NO_LINK}")
    suffix = path.suffix.lower()
    if stat.S_ISREG(mode) and suffix in TABLES and end.suffix.lower() != suffix:
        raise DataError(f"the link {path} leads to {end}, which is not a {suffix} file: {NO_LINK}")


def first_of(root: Path, names: Sequence[str]) -> Path | None:
    """Return the first of the files ``names`` that exists in ``root``; None if there is none."""
    return next((root / name for name in names if (root / name).is_file()), None)


@functools.cache
def xrv_folder() -> Path | None:
    """Return the folder of the tables in the installed package torchxrayvision; None without it. Does not import it."""
    package = importlib.util.find_spec("torchxrayvision")
    return (
        Path(package.submodule_search_locations[0]) / "data" if package and package.submodule_search_locations else None
    )


def xrv_table(name: str) -> Path:
    """Return a table of truth in the package torchxrayvision. Raises ``DataError`` if it is not installed."""
    folder = xrv_folder()
    if folder is None or not (folder / name).is_file():
        raise DataError(f"the table {name} is in the package torchxrayvision: install it with pip install 'locus[xrv]'")
    return folder / name


def opened(path: Path) -> IO[bytes] | gzip.GzipFile:
    """Open a table. Those of packages are unpacked; a user's are not, since they could unpack to any size."""
    if path.is_relative_to(PACKAGE) or path.parent == xrv_folder():
        if path.suffix == ".gz":
            return gzip.open(path, "rb")
        if path.suffix == ".zip":
            return (archive := zipfile.ZipFile(path)).open(archive.namelist()[0])
    return limits.require_size(path).open("rb")


def read_csv(path: Path, needed: Sequence[str], hint: str = "") -> pd.DataFrame:
    """Read a CSV file as text; empty cells beyond the header are dropped.

    Raises ``DataError`` if it is broken or lacks a ``needed`` column; ``hint`` is then added to the message.
    """
    _check_header(path, needed)
    try:
        cells_dropped = pd.errors.ParserWarning  # raised only for cells beyond the header
        with warnings.catch_warnings(record=True) as caught_warnings:
            warnings.simplefilter("always", cells_dropped)
            with opened(path) as file:
                table = pd.read_csv(file, **AS_TEXT, index_col=False)
        if any(issubclass(caught.category, cells_dropped) for caught in caught_warnings) and _is_full_beyond(
            path, len(table.columns)
        ):
            raise DataError(f"{path} has rows with more cells than its header: quote cells that contain commas")
    except UnicodeDecodeError as error:
        wrong = error.object[error.start : error.end]
        raise DataError(f"{path} is not UTF-8 text ({wrong!r}; is it Latin-1?): {AS_CSV}") from error
    except (OSError, ValueError) as error:  # errors of pandas are ValueErrors
        raise DataError(f"cannot read {path}: {one_line(error)}") from error
    for column in needed:
        if column not in table.columns:
            columns = ", ".join(map(str, table.columns))
            raise DataError(f"{path} has no column {column!r}; it has: {columns}{hint and f'; {hint}'}")
    return table


def _is_full_beyond(path: Path, width: int) -> bool:
    """Return True if a row has a non-empty cell beyond the ``width`` of the header."""
    with opened(path) as file:
        cells = pd.read_csv(file, **AS_TEXT, header=None, skiprows=1)
    return bool((cells.iloc[:, width:] != "").to_numpy().any())


def _check_header(path: Path, needed: Sequence[str]) -> None:
    """Raise ``DataError`` for a table that is empty, binary, without commas or too wide, without reading all of it."""
    try:
        with opened(path) as file:
            start = file.read(MAX_START + 1)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    if b"\0" in start:
        raise DataError(f"{path} is not UTF-8 text: {AS_CSV}")
    if not start.strip():
        raise DataError(f"{path} is empty: its first line must name the columns ({', '.join(needed)} …)")
    heading = start.splitlines()[0]
    if separators := [word for mark, word in OTHERS.items() if mark in heading and b"," not in heading]:
        raise DataError(f"{path} separates cells with {separators[0]}: {AS_CSV}")
    text = io.StringIO(start.decode("utf-8", "replace"), newline="")
    try:
        # read_csv checks the width of later rows
        widths = [len(row) for row in itertools.islice(csv.reader(text), 2)]
    except csv.Error:  # a cell of more than 131,072 letters
        widths = [MAX_COLUMNS + 1]
    if max(widths, default=0) > MAX_COLUMNS or (len(start) > MAX_START and text.tell() == len(text.getvalue())):
        limit = f"more than {MAX_COLUMNS} columns or {MAX_START} bytes per row"
        raise DataError(f"{path} has {limit}: it is not a table of this data set")


def read_list(path: Path) -> pd.DataFrame:
    """Read a list file: one name per line, optionally followed by numbers, separated by spaces or commas.

    Folders in the names are removed. Raises ``DataError`` for lines of different lengths and for files that are not
    text.
    """
    try:
        with opened(path) as file:
            lines = file.read().decode("utf-8-sig").replace(",", " ").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    cells = [line.split() for line in lines if line.strip()]
    widths = {len(row) for row in cells}
    if len(widths) > 1:
        raise DataError(f"{path} has lines of {min(widths)} to {max(widths)} cells: give the same number in each line")
    table = pd.DataFrame(cells, columns=range(max(widths, default=1)), dtype=str)
    table[0] = table[0].str.rsplit("/", n=1).str[-1]
    refuse_duplicates(path, table[0])
    return table


@contextlib.contextmanager
def reading_json(path: Path, expected: str) -> Iterator[Any]:
    """Yield the content of a JSON file. Raises ``DataError`` if the file or, in the block, its content is broken.

    ``expected``: description of the content.
    """
    try:
        yield json.loads(limits.require_size(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"cannot read {path}: {expected} ({str(error)[:200]})") from error


def raise_if_any(path: Path, wrong: Iterable[object], what: str, advice: str = "") -> None:
    """Raise ``DataError`` with description (``what``), count, examples and ``advice`` if there are ``wrong`` items."""
    items = list(wrong)
    if items:
        raise DataError(f"{path} has {what} ({len(items)}): {examples(items)}{advice}")


def numbers(path: Path, cells: pd.Series) -> pd.Series:
    """Convert the cells to float64. Raises ``DataError`` with examples of invalid numbers.

    >>> numbers(Path("a.csv"), pd.Series(["1", "2.5"])).tolist()
    [1.0, 2.5]
    """
    values = pd.to_numeric(cells, errors="coerce")
    wrong = cells[~np.isfinite(values)]
    advice = "; use decimal points" if wrong.astype(str).str.contains(r"\d,\d").any() else ""
    raise_if_any(path, map(repr, wrong), "cells that are not numbers", advice)
    return values.astype(float)


def read_xywh(path: Path, cells: pd.DataFrame) -> FloatArray:
    """Return the (n,4) xyxy boxes of the columns x, y, width, height. Raises ``DataError`` as ``numbers`` does."""
    return xywh_to_xyxy(np.stack([numbers(path, cells.iloc[:, i]) for i in range(4)], axis=1))


def refuse_duplicates(path: Path, rows: pd.Series) -> None:
    """Raise ``DataError`` if a value occurs twice.

    >>> refuse_duplicates(Path("a.csv"), pd.Series(["x", "y", "x"]))
    Traceback (most recent call last):
        ...
    locus.core.errors.DataError: a.csv has duplicate rows (1): x; keep one of each
    """
    raise_if_any(path, rows[rows.duplicated()].unique(), "duplicate rows", "; keep one of each")


def refuse_unknown(path: Path, names: Iterable[str], known: Sequence[str], kind: str = "finding") -> None:
    """Raise ``DataError`` for the first of the ``names`` that is not ``known``; ``kind``: a noun for the names."""
    for name in sorted(set(names) - set(known)):
        raise DataError(f"{path}: {UnknownNameError(kind, name, known)}")
