"""Check the columns of a table of boxes or probabilities before heavy imports."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from core.errors import BadValueError, DataError

BoxFormat = Literal["xyxy", "xywh"]
EDGES: Mapping[BoxFormat, Sequence[tuple[str, str, str, str]]] = {
    "xyxy": [("x0", "y0", "x1", "y1"), ("x1", "y1", "x2", "y2"), ("x_min", "y_min", "x_max", "y_max")],
    "xywh": [("x", "y", "w", "h"), ("x", "y", "width", "height")],
}
"""Column names of a box, by format."""
NEED = "a table of boxes needs the columns image, finding, score and x0, y0, x1, y1 (xyxy) or x, y, w, h (xywh)"


def edges_of(file: Path, header: Sequence[str], box_format: BoxFormat | None) -> tuple[str, str, str, str]:
    """Return the columns of a box. Raises ``BadValueError`` without ``box_format``, ``DataError`` for other columns."""
    if box_format is None:
        raise BadValueError("--boxes with a CSV file requires --box_format: xyxy (corners) or xywh (corner and size)")
    edges = next((names for names in EDGES[box_format] if {"image", "finding", "score", *names} <= set(header)), None)
    if edges is None:
        raise DataError(f"{file} has the columns {', '.join(header)} and --box_format is {box_format}: {NEED}")
    return edges


def check(
    boxes: str | None, box_format: BoxFormat | None, tables: Sequence[tuple[str, str | None, tuple[str, ...]]]
) -> None:
    """Check the first lines of tables. Raises like ``edges_of``, and ``DataError`` for a missing file.

    Args:
        boxes: file of boxes; JSON files are not checked.
        box_format: format of the four numbers in a CSV.
        tables: flag, file and required columns.
    """
    if boxes is not None and Path(boxes).suffix != ".json":
        edges_of(Path(boxes), _header("--boxes", Path(boxes)), box_format)
    for flag, file, needed in tables:
        if file is not None and (absent := [name for name in needed if name not in _header(flag, Path(file))]):
            raise DataError(f"{file} has no column {', '.join(absent)}: {flag} requires {', '.join(needed)}")


def _header(flag: str, file: Path) -> list[str]:
    if not file.is_file():
        raise DataError(f"{flag} {file} not found")
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        return next(csv.reader(lines), [])
