"""Tables of a page: headings with their meaning, rows with the records behind them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmark.report.html.glossary import meaning, word_of
from benchmark.report.page import DECIDE
from benchmark.report.table import NOTHING, Table
from core.names import BASELINES, CEILINGS

NUMBER = re.compile(r"^[<≥]?\s*[+−-]?\d")


@dataclass(frozen=True)
class Heading:
    """A heading of a table."""

    text: str
    word: str
    """Its key in the glossary; empty if it has none."""
    numeric: bool
    """Whether the column contains numbers only."""
    decides: bool
    """Whether a leaderboard shows the column by default."""


@dataclass(frozen=True)
class Line:
    """A row of a table."""

    cells: tuple[str, ...]
    keys: tuple[str, ...]
    """Keys of the records behind the row, one per training run."""
    entry: str
    """The row's own key."""
    kind: str
    """``method``, ``baseline`` or ``ceiling``; empty for any other row."""


@dataclass(frozen=True)
class View:
    """A table of a page."""

    id: str
    title: str
    intro: tuple[str, ...]
    """Paragraphs above the table."""
    headings: tuple[Heading, ...]
    lines: tuple[Line, ...]
    footnote: str = ""


def view(table: Table, entries: Mapping[str, Sequence[str]], dataset: str = "") -> View:
    """Add to a table the glossary key of each heading and the keys of the records behind each row.

    ``entries``: key of a leaderboard's row -> keys of the records of its training runs.
    """
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.header)
    headings = [_heading(text, cells) for text, cells in zip(table.header, columns, strict=True)]
    keys = table.keys or ((),) * len(table.rows)
    lines = [_line(table.header, row, group, entries) for row, group in zip(table.rows, keys, strict=True)]
    title = table.title.removeprefix(f"{dataset}: ")
    return View(
        anchor(table.title), title, tuple(table.intro.split("\n")), tuple(headings), tuple(lines), table.footnote
    )


def anchor(title: str) -> str:
    """Return the anchor of a section.

    >>> anchor("NIH: wang, T(IoU)")
    'nih-wang-t-iou'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def heading_texts(views: Iterable[View]) -> list[str]:
    """Return the distinct headings of some tables."""
    return list(dict.fromkeys(heading.text for view in views for heading in view.headings))


def _heading(text: str, cells: Sequence[str]) -> Heading:
    values = [cell for cell in cells if cell not in ("", NOTHING)]
    numeric = bool(values) and all(NUMBER.match(cell) for cell in values)
    plain = text.removesuffix(" [95 %]")
    return Heading(text, word_of(text) if meaning(text) else "", numeric, plain in DECIDE)


def _line(
    header: Sequence[str], row: tuple[str, ...], keys: Sequence[str], entries: Mapping[str, Sequence[str]]
) -> Line:
    """Return a row of a table with the keys of its records and the kind of its method."""
    behind = [key for name in keys for key in entries.get(name, [name])]
    method = row[header.index("method")] if "method" in header else ""
    kinds = dict.fromkeys(BASELINES, "baseline") | dict.fromkeys(CEILINGS, "ceiling")
    return Line(row, tuple(behind), keys[0] if keys else "", kinds.get(method, "method") if method else "")
