"""Atomic writes, content hashes and file names."""

import contextlib
import csv
import errno
import fcntl
import hashlib
import io
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from locus.core.errors import BadValueError, WriteError

FREE_SPACE = "free some space or choose another folder"
ADVICE_BY_ERROR = {
    **dict.fromkeys((errno.ENOSPC, errno.EFBIG, errno.EDQUOT), FREE_SPACE),
    errno.ELOOP: "it is a link: remove it",
}
"""Number of an ``OSError`` of a write -> what to do."""
TEMPORARY = re.compile(r"\..+-[a-z0-9_]{8}\.\w+")
"""Pattern of the temporary file names of ``atomic`` for a file with a suffix.

Without a suffix they cannot be told from a user's hidden file, such as ``.my-settings``, so they are never removed.
"""
FORMULA = re.compile(r"'*[=+@\t-]")
NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?")
_canonical = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
).encode


@contextlib.contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path in the same folder, and rename it to ``path`` on success or remove it on failure.

    Raises ``WriteError`` if the file cannot be written (disk full, read-only, no permission), ``BadValueError`` for a
    path that begins with ``~``.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix
        )
        temporary = Path(name)
        try:
            with contextlib.suppress(OSError):  # some file systems have no locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield temporary
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            os.close(descriptor)
            temporary.unlink(missing_ok=True)


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Remove the temporary files of killed processes among ``paths``. Running processes hold locks on theirs."""
    for path in paths:
        if TEMPORARY.fullmatch(path.name):
            with contextlib.suppress(OSError), open_no_symlink(path, "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def open_no_symlink(path: Path, mode: str) -> IO[Any]:
    """Open a file that Locus writes, by a ``mode`` of ``open``. Raises ``OSError`` if the path is a link."""
    return open(path, mode, opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o644))


@contextlib.contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """Convert an ``OSError`` in the block to a ``WriteError`` with the ``path`` and the reason.

    Raises ``BadValueError`` for a path that begins with ``~``, which some libraries expand and others do not.
    """
    if str(path).startswith("~"):
        raise BadValueError(
            f"the path {path} begins with ~, which is not expanded: write the full path"
        )
    try:
        yield
    except OSError as error:
        advice = ADVICE_BY_ERROR.get(error.errno or 0, "choose another folder")
        raise WriteError(f"cannot write {path}: {error.strerror or error}; {advice}") from error


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` (UTF-8) atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` atomically as indented JSON. Raises ``ValueError`` for nan (use None)."""
    write_text(path, pretty(value) + "\n")


def pretty(value: Any, indent: int = 0, width: int = 140) -> str:
    """Format JSON; a value that fits on one line stays on one line, so that a list of scores reads as a table.

    A line may be longer than ``width`` by its key and its comma, which do not count.

    >>> print(pretty({"key": "ab12", "scores": [{"n": 1}, {"n": 2}]}, width=20))
    {
     "key": "ab12",
     "scores": [
      {"n": 1},
      {"n": 2}
     ]
    }
    """
    line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if len(line) + indent <= width or not isinstance(value, dict | list | tuple) or not value:
        return line
    line_break = "\n" + " " * (indent + 1)
    if isinstance(value, dict):
        fields = {json.dumps(str(name), ensure_ascii=False): item for name, item in value.items()}
        items = [f"{name}: {pretty(item, indent + 1, width)}" for name, item in fields.items()]
        return "{" + line_break + ("," + line_break).join(items) + "\n" + " " * indent + "}"
    return (
        "["
        + line_break
        + ("," + line_break).join(pretty(item, indent + 1, width) for item in value)
        + "\n"
        + " " * indent
        + "]"
    )


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    r"""Format rows as CSV for spreadsheets: text that would be read as a formula gets a leading apostrophe.

    A carriage return becomes a space.

    >>> csv_text([["=1+1", "'@x", "-0.5", -0.5, "cam"]])
    "'=1+1,''@x,-0.5,-0.5,cam\n"
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([*map(_csv_cell, row)] for row in rows)
    return text.getvalue()


def _csv_cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.replace("\r", " ")  # would end the row
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def csv_value(cell: str) -> str:
    """Return the text of a cell that ``csv_text`` wrote; carriage returns are lost.

    >>> [csv_value(cell) for cell in ("'=1+1", "''@x", "-0.5", "'cam'")]
    ['=1+1', "'@x", '-0.5', "'cam'"]
    """
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def require_path(value: object, argument_name: str) -> None:
    """Raise ``BadValueError`` that has ``argument_name`` unless ``value`` is a path."""
    if not isinstance(value, str | Path):
        raise BadValueError(f"{argument_name} is {value!r}: give a path")


def file_hash(path: Path | str) -> str:
    """Return the first 16 hex digits of the SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def json_hash(value: Any) -> str:
    """Return the first 16 hex digits of the SHA-256 of a JSON-able value.

    >>> json_hash({"a": 1, "b": 2}) == json_hash({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(_canonical(value).encode()).hexdigest()[:16]


def is_hidden(path: Path, folder: Path) -> bool:
    """Return True for a file that other programs leave below ``folder``.

    Its name or a folder begins with a dot, or a folder is ``__MACOSX``.

    >>> is_hidden(Path("d/._a.xml"), Path("d")), is_hidden(Path("d/__MACOSX/a.xml"), Path("d"))
    (True, True)
    """
    folder_names = path.relative_to(folder).parts
    return any(name.startswith(".") or name == "__MACOSX" for name in folder_names)


def safe_filename(*texts: str) -> str:
    """Join ``texts`` into a file name and replace unsafe characters.

    It never begins with a dot, because such files are hidden and hold unfinished records.

    >>> safe_filename("a.png", "Nodule/Mass"), safe_filename("../../evil")
    ('a.png_Nodule_Mass', '__.._evil')
    """
    return re.sub(r"^\.+|[^\w.=-]+", "_", "_".join(texts))
