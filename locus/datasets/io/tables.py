"""Read the tables and lists of a data set as text, and check their cells. Every error names the file.

``read_text``, ``read_csv``, ``read_list``, ``read_json``  read a file and check its shape
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
import json
import lzma
import math
import re
import stat
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from locus.core import limits
from locus.core.errors import DataError, UnknownNameError, examples, one_line, require_extra
from locus.core.frames import xywh_to_xyxy
from locus.core.names import duplicates
from locus.core.types import FloatArray
from locus.datasets.io import pd

MAX_AGE = 120
"""Maximum age in years; larger values are typing errors."""
IN_A_YEAR = {"": 1.0, "Y": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}
"""Units of a DICOM age string (value representation AS), and a plain number of years."""
MAX_CELL_LENGTH, MAX_NAME_BYTES = 1000, 200
"""Maximum characters of a path in a table, and bytes of a name in it."""
STAY = "the files of a data set must be in its folder, named by relative paths"
NO_LINK = "correct it, or give the folder with the files themselves with --data_root_dir"
COPY = "copy the folder with its files (cp -rL), or download it with snapshot_download(..., local_dir=...)"
TABLES = (".csv", ".txt", ".json", ".xml")
"""Extensions of tables and lists."""

AS_TEXT: dict[str, Any] = {
    "dtype": str,
    "keep_default_na": False,
    "skipinitialspace": True,
    "index_col": False,
}
AS_CSV = "save it as CSV in UTF-8, with comma-separated cells and decimal points"
OTHERS = {";": "semicolons", "\t": "tabs"}
"""Cell separators of unsupported tables."""
MAX_COLUMNS = 2000
"""Maximum number of columns."""
PACKAGE = Path(__file__).parents[2]
MAX_SPARE_CELLS = 8
"""Number of empty cells that a row may have beyond the header."""
WIDE = "has rows with more cells than its header: quote cells that contain commas"


@functools.cache
def years(text: str) -> float:
    """Return an age in years; nan if it is invalid or above 120.

    >>> years("061Y"), years("18M"), years(" 44 "), years("unknown"), years("411Y")
    (61.0, 1.5, 44.0, nan, nan)
    """
    match = re.fullmatch(r"(\d{1,4}(?:\.\d*)?)([YMWD]?)", text.strip().upper())
    age = float(match[1]) / IN_A_YEAR[match[2]] if match else math.nan
    return age if age <= MAX_AGE else math.nan


def inside(root: Path, cell: str, table: Path | str) -> Path:
    """Return the path in ``root`` that a ``cell`` of ``table``, or of a line of it, contains. The file may be missing.

    Raises ``DataError`` for an empty or too long cell, an absolute path, ``..``, and as ``check_links`` does.
    """
    path = below(root, cell, table)
    check_links([path], root)
    return path


def below(root: Path, cell: str, table: Path | str) -> Path:
    """Do the same as ``inside`` without checking links; call ``check_links`` once for many cells.

    >>> below(Path("data"), "images/a.png", Path("labels.csv")).as_posix()
    'data/images/a.png'
    """
    longest = max((len(name.encode()) for name in Path(cell).parts), default=0)
    if not cell or "\0" in cell:
        raise DataError(
            f"{table} has the path {cell[:40]!r}, which is empty or contains a NUL character: correct it"
        )
    if len(cell) > MAX_CELL_LENGTH or longest > MAX_NAME_BYTES:
        limit = f"at most {MAX_CELL_LENGTH} characters, and {MAX_NAME_BYTES} bytes per name, are allowed"
        raise DataError(f"{table} has the path {cell[:40]!r}…, which is too long: {limit}")
    if Path(cell).is_absolute() or ".." in Path(cell).parts or "\\" in cell:
        raise DataError(f"{table} has the invalid path {cell!r}: {STAY} with / and without ..")
    return root / cell


def check_links(paths: Iterable[Path], root: Path) -> None:
    """Raise ``DataError`` for the first link among the paths, and among their folders in ``root``, that is not usable.

    A link may lead anywhere, to an existing folder or regular file. A table must keep its extension: a link in
    somebody's archive could lead to any text file of this machine.
    """
    paths = list(paths)
    folders = {
        above for folder in {path.parent for path in paths} for above in (folder, *folder.parents)
    }
    for path in (*sorted(above for above in folders if root in above.parents), *paths):
        if not path.is_symlink():
            continue
        try:
            mode = path.stat().st_mode
            end = path.resolve()
        except (OSError, RuntimeError) as error:  # missing, too long or in a circle
            raise DataError(
                f"cannot follow the link {path} ({one_line(error)}): {NO_LINK}"
            ) from error
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise DataError(
                f"the link {path} leads to {end}, which is neither a file nor a folder: {NO_LINK}"
            )
        suffix = path.suffix.lower()
        if stat.S_ISREG(mode) and suffix in TABLES and end.suffix.lower() != suffix:
            raise DataError(f"the link {path} leads to {end}, which is not a {suffix} file: {COPY}")


def first_of(root: Path, names: Sequence[str]) -> Path | None:
    """Return the first of the files ``names`` that exists in ``root``; None if there is none."""
    return next((root / name for name in names if (root / name).is_file()), None)


@functools.cache
def xrv_folder() -> Path | None:
    """Return the folder of the tables in the installed package torchxrayvision; None without it. Does not import it."""
    package = importlib.util.find_spec("torchxrayvision")
    return Path(package.origin).parent / "data" if package is not None and package.origin else None


def xrv_table(name: str) -> Path:
    """Return a table of truth in the package torchxrayvision. Raises ``NotAvailableError`` without it."""
    require_extra("xrv", "torchxrayvision", f"the table {name}")
    return (xrv_folder() or Path()) / name


def read_text(path: Path) -> str:
    """Return the text of a table, list, JSON or XML file. Tables of this package and of torchxrayvision are unpacked.

    Raises ``DataError`` for a file that is missing, not regular, too large or not UTF-8.
    """
    try:
        if (
            path.is_relative_to(PACKAGE) or path.parent == xrv_folder()
        ):  # a user's could unpack to any size
            if path.suffix == ".zip":
                with zipfile.ZipFile(path) as archive:
                    return archive.read(archive.namelist()[0]).decode()
            if path.suffix == ".gz":
                return gzip.decompress(path.read_bytes()).decode()
            if path.suffix == ".xz":
                return lzma.decompress(path.read_bytes()).decode()
        return limits.require_size(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        wrong = error.object[error.start : error.end]
        raise DataError(
            f"{path} is not UTF-8 text ({wrong!r}; is it Latin-1?): {AS_CSV}"
        ) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def read_csv(path: Path, needed: Sequence[str], hint: str = "") -> pd.DataFrame:
    """Read a CSV file as text. Spaces around the names of columns, and empty cells beyond the header, are dropped.

    Raises ``DataError`` if it is broken, has a column twice or lacks a ``needed`` one; ``hint`` is then added.
    """
    text = read_text(path)
    header = _header(path, text, needed)
    columns = range(len(header) + MAX_SPARE_CELLS)
    try:
        table = (
            pd.read_csv(io.StringIO(text), header=None, names=columns, **AS_TEXT)
            .iloc[1:]
            .fillna("")
        )
    except ValueError as error:  # errors of pandas are ValueErrors
        wide = "Expected" in str(error)
        raise DataError(
            f"{path} {WIDE}" if wide else f"cannot read {path}: {one_line(error)}"
        ) from error
    if (table.iloc[:, len(header) :] != "").to_numpy().any():
        raise DataError(f"{path} {WIDE}")
    table = table.iloc[:, : len(header)].set_axis(header, axis=1).reset_index(drop=True)
    for column in needed:
        if column not in header:
            raise DataError(
                f"{path} has no column {column!r}; it has: {', '.join(header)}{hint and f'; {hint}'}"
            )
    return table


def _header(path: Path, text: str, needed: Sequence[str]) -> list[str]:
    """Return the names of the columns; one without a name is called ``Unnamed: `` and its number."""
    if "\0" in text:
        raise DataError(f"{path} is not UTF-8 text: {AS_CSV}")
    try:
        cells = next(
            filter(None, csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)), []
        )
    except csv.Error as error:
        raise DataError(
            f"{path} has a cell of more than {csv.field_size_limit():,} letters in its first line: "
            "it is not a table of this data set"
        ) from error
    if not any(map(str.strip, cells)):
        raise DataError(
            f"{path} is empty: its first line must name the columns ({', '.join(needed)} …)"
        )
    separators = [
        separator for mark, separator in OTHERS.items() if len(cells) == 1 and mark in cells[0]
    ]
    if separators:
        raise DataError(f"{path} separates cells with {separators[0]}: {AS_CSV}")
    if len(cells) > MAX_COLUMNS:
        raise DataError(
            f"{path} has more than {MAX_COLUMNS} columns: it is not a table of this data set"
        )
    names = [cell.strip() for cell in cells]
    raise_if_any(
        path,
        duplicates(filter(None, names)),
        "columns with the same name",
        "; give each its own name",
    )
    return [name or f"Unnamed: {number}" for number, name in enumerate(names)]


def read_list(path: Path) -> pd.DataFrame:
    """Read a list file: one name per line, optionally followed by numbers, separated by spaces or commas.

    Folders in the names are removed. Raises ``DataError`` for lines of different lengths and for files that are not
    text.
    """
    cells = [
        line.split() for line in read_text(path).replace(",", " ").splitlines() if line.strip()
    ]
    widths = {len(row) for row in cells}
    if len(widths) > 1:
        raise DataError(
            f"{path} has lines of {min(widths)} to {max(widths)} cells: give the same number in each line"
        )
    table = pd.DataFrame(cells, columns=range(max(widths, default=1)), dtype=str)
    table[0] = table[0].str.rsplit("/", n=1).str[-1]
    refuse_duplicates(path, table[0])
    return table


def read_json(path: Path) -> Any:
    """Return the content of a JSON file. Raises ``DataError`` if it is broken or an object has a key twice."""
    try:
        return json.loads(read_text(path), object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise DataError(f"cannot read {path}: {error}") from error


def unique_keys(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return a mapping of the ``pairs``. Raises ``ValueError`` for a key that occurs twice.

    >>> unique_keys([("a", 1), ("b", 2)])
    {'a': 1, 'b': 2}
    """
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError(
            f"the key {duplicates(key for key, _ in pairs)[0]!r} is given twice: keep one"
        )
    return content


@contextlib.contextmanager
def reading_json(path: Path, expected: str) -> Iterator[Any]:
    """Yield the content of a JSON file. Raises ``DataError`` if the file or, in the block, its content is broken.

    ``expected``: description of the content.
    """
    try:
        yield read_json(path)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"cannot read {path}: {expected} ({str(error)[:200]})") from error


def read_pairs(path: Path, name: str, value: str) -> dict[str, str]:
    """Return the field ``name`` -> the field ``value`` of the entries in a JSON file; empty without the file.

    Raises ``DataError`` if two entries with the same name have different values, or the other way round.
    """
    if not path.is_file():
        return {}
    with reading_json(path, f"a list of entries with {name} and {value} is expected") as entries:
        pairs = [(str(entry[name]), str(entry[value])) for entry in entries]
    pairs = list(dict.fromkeys(pairs))
    for field, values in zip((name, value), zip(*pairs, strict=True), strict=False):
        raise_if_any(path, duplicates(values), f"several entries of one {field}", "; keep one")
    return dict(pairs)


def raise_if_any(path: Path, wrong: Iterable[object], what: str, advice: str = "") -> None:
    """Raise an error if there are wrong items.

    Args:
        path: the file of the items.
        wrong: the wrong items; the message has their count and the first of them.
        what: what is wrong with them.
        advice: text at the end of the message.

    Raises:
        DataError: there are ``wrong`` items.
    """
    items = list(wrong)
    if items:
        raise DataError(f"{path} has {what} ({len(items)}): {examples(items)}{advice}")


def numbers(path: Path, cells: pd.Series) -> pd.Series:
    """Convert the cells to float64. Raises ``DataError`` with examples of invalid numbers.

    >>> numbers(Path("a.csv"), pd.Series(["1", "2.5"])).tolist()
    [1.0, 2.5]
    """
    values = pd.to_numeric(cells, errors="coerce")
    has_plus = cells.astype(str).str.lstrip().str.startswith("+")
    wrong = cells[~np.isfinite(values) | has_plus]
    advice = "; use decimal points" if wrong.astype(str).str.contains(r"\d,\d").any() else ""
    raise_if_any(path, map(repr, wrong), "cells that are not numbers", advice)
    return values.astype(float)


def read_xywh(path: Path, cells: pd.DataFrame, frame: tuple[int, int]) -> FloatArray:
    """Return the (n,4) xyxy boxes of the columns x, y, width, height.

    ``frame``: (H, W) of the images. Raises ``DataError`` for boxes that are corners (x0, y0, x1, y1), and as
    ``numbers`` does.
    """
    values = np.stack([numbers(path, cells.iloc[:, i]) for i in range(4)], axis=1)
    boxes = xywh_to_xyxy(values)
    is_beyond = (boxes[:, 2:] > frame[::-1]).any(axis=1)
    could_be_corners = (values[:, 2:] > values[:, :2]).all()
    if is_beyond.any() and could_be_corners:
        raise DataError(
            f"{path} has boxes that look like corners x0, y0, x1, y1 ({is_beyond.sum()} of {len(boxes)} reach beyond "
            f"their image): write x, y, width, height"
        )
    return boxes


def refuse_duplicates(path: Path, rows: pd.Series) -> None:
    """Raise ``DataError`` if a value occurs twice.

    >>> refuse_duplicates(Path("a.csv"), pd.Series(["x", "y", "x"]))
    Traceback (most recent call last):
        ...
    locus.core.errors.DataError: a.csv has duplicate rows (1): x; keep one of each
    """
    raise_if_any(path, rows[rows.duplicated()].unique(), "duplicate rows", "; keep one of each")


def refuse_unknown(
    path: Path, names: Iterable[str], known: Sequence[str], kind: str = "finding"
) -> None:
    """Raise an error for the first name that is not known.

    Args:
        path: the file of the names.
        names: the names.
        known: the allowed names.
        kind: a noun for the names in the message.

    Raises:
        DataError: a name is not known; the message has similar ones.
    """
    for name in sorted(set(names) - set(known)):
        raise DataError(f"{path}: {UnknownNameError(kind, name, known)}")
