"""Tables of a page: headings with their meaning, rows with the records behind them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmark.report.html.glossary import meaning, word_of
from benchmark.report.page import DECIDE
from benchmark.report.table import NOTHING, Table
from core.names import BASELINES, CEILINGS

View = dict[str, Any]
"""A table of a page: ``id``, ``title``, paragraphs of the ``intro``, ``headings``, ``lines`` and ``footnote``."""
NUMBER = re.compile(r"^[<≥]?\s*[+−-]?\d")
KINDS = dict.fromkeys(BASELINES, "baseline") | dict.fromkeys(CEILINGS, "ceiling")
"""Method -> kind of its row; any other row with a method is a ``method``."""


def view(table: Table, entries: Mapping[str, Sequence[str]], dataset: str = "") -> View:
    """Return a table with the glossary key of each heading, and the records behind and the kind of each line.

    ``entries``: key of a leaderboard's row -> keys of the records of its training runs.
    """
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.header)
    lines = []
    for cells, keys in zip(table.rows, table.keys or ((),) * len(table.rows), strict=True):
        method = cells[table.header.index("method")] if "method" in table.header else ""
        records = [key for name in keys for key in entries.get(name, [name])]
        kind = KINDS.get(method, "method") if method else ""
        lines.append({"cells": cells, "records": records, "entry": keys[0] if keys else "", "kind": kind})
    return {
        "id": anchor(table.title),
        "title": table.title.removeprefix(f"{dataset}: "),
        "intro": table.intro.split("\n"),
        "headings": [_heading(text, cells) for text, cells in zip(table.header, columns, strict=True)],
        "lines": lines,
        "footnote": table.footnote,
    }


def anchor(title: str) -> str:
    """Return the anchor of a section.

    >>> anchor("NIH: wang, T(IoU)")
    'nih-wang-t-iou'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def heading_texts(views: Iterable[View]) -> list[str]:
    """Return the distinct headings of some tables."""
    return list(dict.fromkeys(heading["text"] for view in views for heading in view["headings"]))


def _heading(text: str, cells: Sequence[str]) -> dict[str, Any]:
    """Return a heading: its key in the glossary, whether all cells are numbers, and whether it is shown by default."""
    values = [cell for cell in cells if cell not in ("", NOTHING)]
    numeric = bool(values) and all(NUMBER.match(cell) for cell in values)
    decides = text.removesuffix(" [95 %]") in DECIDE
    return {"text": text, "word": word_of(text) if meaning(text) else "", "numeric": numeric, "decides": decides}
