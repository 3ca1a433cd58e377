"""Check that paths in a table stay in the folder of the data set, also through links."""

from collections.abc import Iterable
from pathlib import Path

from core.errors import DataError

LONGEST, LONGEST_NAME = 1000, 200
"""Maximum characters of a path in a table, and bytes of a name in it."""
STAY = "the files of a data set must be in its folder, named by relative paths"


def inside(root: Path, cell: str, table: Path) -> Path:
    """Return the path in ``root`` that a ``cell`` of ``table`` contains. The file may be missing.

    Raises ``DataError`` for an empty or too long cell, an absolute path, ``..``, and a link that leads out of the
    folder.
    """
    path = below(root, cell, table)
    refuse_links([path], root)
    return path


def below(root: Path, cell: str, table: Path) -> Path:
    """Do the same as ``inside`` without checking links; call ``refuse_links`` once for many cells.

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


def refuse_links(paths: Iterable[Path], root: Path) -> None:
    """Raise ``DataError`` for the first of the paths in ``root`` that a link leads out of it."""
    seen = {root}
    for path in paths:
        _refuse(path, root, seen)


def _refuse(path: Path, root: Path, seen: set[Path]) -> None:
    """Check each folder in ``root`` once; a path without links is where its folder is."""
    if path.parent not in seen and path.parent != path:
        _refuse(path.parent, root, seen)
        seen.add(path.parent)
    try:
        end = path.resolve() if path.is_symlink() else path
        out = end != path and not end.is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:  # a name that is too long, links in a circle
        raise DataError(f"cannot follow {path}: {error}") from error
    if out:
        raise DataError(f"the link {path} leads out of {root}, to {end}: copy the file instead")
