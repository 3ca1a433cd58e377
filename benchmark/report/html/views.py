"""Data of a page: tables with the records behind their rows, and the panel that shows the record behind a number."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmark.records import Record
from benchmark.report import select
from benchmark.report.html.glossary import meaning, word_of
from benchmark.report.page import DECIDE
from benchmark.report.table import NOTHING, Table, with_interval
from core.names import BASELINES, CEILINGS, MAIN_PROTOCOL

View = dict[str, Any]
"""A table of a page: ``id``, ``title``, paragraphs of the ``intro``, ``headings``, ``lines`` and ``footnote``."""
NUMBER = re.compile(r"^[<≥]?\s*[+−-]?\d")
KINDS = dict.fromkeys(BASELINES, "baseline") | dict.fromkeys(CEILINGS, "ceiling")
"""Method -> kind of its row; any other row with a method is a ``method``."""
CELL_FIELDS = (
    *("dataset", "partition", "split", "backbone", "global_pool", "attention_map", "img_size", "seed", "model_id"),
    *("method", "alignment", "protocol", "recipe"),
)
RECORD_FIELDS = ("status", "reason", "source", "rests_on", "versions", "checkpoints", "geometry", "fingerprint")
FIELDS = (*CELL_FIELDS, *RECORD_FIELDS, "training", "scoring", "thresholds", "created", "score")


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
    decides = text.removesuffix(" [95%]") in DECIDE
    return {"text": text, "word": word_of(text) if meaning(text) else "", "numeric": numeric, "decides": decides}


def details(records: Iterable[Record]) -> dict[str, Any]:
    """Return ``fields``, the distinct ``values``, and for each record's key the index of each field's value."""
    encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode
    index: dict[str, int] = {}
    rows = {r.key: [index.setdefault(encode(value), len(index)) for value in _values(r)] for r in records}
    return {"fields": list(FIELDS), "values": [json.loads(text) for text in index], "records": rows}


def _values(record: Record) -> Iterable[Any]:
    """Yield the values of a row of details, in the order of their names."""
    yield from (getattr(record.cell, name) for name in CELL_FIELDS)
    yield from (getattr(record, name) for name in RECORD_FIELDS)
    for provenance in (record.training, record.scoring):
        yield None if provenance is None else provenance.model_dump(mode="json", exclude_defaults=True)
    wanted = ("cross-fitted", "oracle") if record.cell.protocol == MAIN_PROTOCOL else ()
    yield {origin: record.thresholds[origin] for origin in wanted if origin in record.thresholds}
    yield record.created
    yield None if (main := select.main_score(record)) is None else with_interval(main)
