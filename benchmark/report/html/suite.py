"""``index.html`` of a suite: one file with the answer, the leaderboard, all tables and the records behind them."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmark.records import Record
from benchmark.report import select
from benchmark.report.html.answer import answer, answers_of_checks
from benchmark.report.html.figures import charts, drawing
from benchmark.report.html.findings import of_entry, of_protocol_table
from benchmark.report.html.glossary import glossary, meaning, word_of
from benchmark.report.html.render import render
from benchmark.report.html.scope import is_external
from benchmark.report.leaderboard import main_table
from benchmark.report.leaderboard.dataset_tables import DatasetTables
from benchmark.report.page import DECIDE, Description, missing
from benchmark.report.table import NOTHING, Table, with_interval
from core.names import BASELINES, MAIN, MAIN_PROTOCOL, PAIRED, UPPER_BOUND_AND_PEOPLE

PAGE = "index.html"
View = dict[str, Any]
"""A table of a page: ``id``, ``title``, paragraphs of the ``intro``, ``headings``, ``lines`` and ``footnote``."""
NUMBER = re.compile(r"^[<≥]?\s*[+−-]?\d")
KINDS = dict.fromkeys(BASELINES, "baseline") | dict.fromkeys(UPPER_BOUND_AND_PEOPLE, "limit")
"""Method -> kind of its row; any other row with a method is a ``method``."""
CELL_FIELDS = (
    *("dataset", "partition", "split", "backbone", "global_pool", "attention_map", "img_size", "seed", "model_id"),
    *("method", "alignment", "protocol", "recipe"),
)
RECORD_FIELDS = ("status", "reason", "source", "rests_on", "versions", "checkpoints", "geometry", "fingerprint")
FIELDS = (*CELL_FIELDS, *RECORD_FIELDS, "training", "scoring", "thresholds", "created", "score")
SECTIONS = ("checks", "networks", "effects", "findings", "details", "papers")
"""Fields of ``DatasetTables`` that are sections of the page without changes."""


def suite_page(
    name: str,
    description: Description,
    has_gallery: bool,
    records: Sequence[Record],
    datasets: Sequence[DatasetTables],
) -> str:
    """Render the page; the same records give the same bytes. ``has_gallery``: the folder has a ``gallery.html``."""
    contexts = [_dataset(tables) for tables in datasets]
    gaps = [view(table, {}) for table in [missing(records)] if table.rows]
    views = [*(table for context in contexts for table in _views(context)), *gaps]
    drawn = [chart for tables in datasets for chart in charts(tables)]
    linked_keys = {key for table in views for line in table["lines"] for key in line["records"]}
    rows = [row for tables in datasets for entries in tables.leaderboard.parts.values() for row in entries]
    return render(
        "suite.html",
        name=name,
        page=description,
        has_gallery=has_gallery,
        main=MAIN,
        command=command(name, records),
        external=is_external(records),
        datasets=contexts,
        missing=gaps,
        counts=_counts(records),
        seeds=_more_seeds(records),
        glossary=glossary(heading_texts(views)),
        records=record_details(record for record in records if record.key in linked_keys),
        findings={row.key: of_entry(row) for row in rows},
        protocols={key: table for tables in datasets for key, table in _by_finding(tables).items()},
        charts=drawn,
        drawing=drawing() if any(chart["spec"] for chart in drawn) else "",
    )


def command(name: str, records: Sequence[Record]) -> str:
    """Return the command that writes the page again.

    >>> command("demo", [])
    'python -m benchmark.run --suite demo'
    """
    if is_external(records):
        return "python -m benchmark.score --entry …  (docs/score.md)"
    return f"python -m benchmark.run --suite {name}"


def _more_seeds(records: Sequence[Record]) -> list[int]:
    """Return the seeds of the records plus a new one, at least three in all."""
    seeds = sorted({record.cell.seed for record in records if record.cell.seed is not None})
    first = max(seeds, default=-1) + 1
    return [*seeds, *range(first, first + max(1, 3 - len(seeds)))]


def _dataset(tables: DatasetTables) -> dict[str, Any]:
    """Return the answers and tables of a data set by section; tables of methods are pairs of menu label and table."""
    leaderboard = tables.leaderboard
    answers = [one for one in (answer(leaderboard), *answers_of_checks(tables.reports)) if one is not None]
    runs = {row.key: [run.key for run in row.runs] for rows in leaderboard.parts.values() for row in rows}

    def views(group: Iterable[Table]) -> list[View]:
        return [view(table, runs, leaderboard.dataset) for table in group]

    labels = [layout.protocol for layout, _ in tables.protocols]
    return {
        "name": leaderboard.dataset,
        "answers": answers,
        "first": views(one.findings for one in answers if one.findings is not None),
        **{section: views(getattr(tables, section)) for section in SECTIONS},
        "methods": [
            *((_label(view), view) for view in views(tables.methods)),
            *zip(labels, views(table for _, table in tables.protocols), strict=True),
        ],
    }


def _views(dataset: Mapping[str, Any]) -> list[View]:
    methods = [view for _, view in dataset["methods"]]
    return [*dataset["first"], *methods, *(view for section in SECTIONS for view in dataset[section])]


def _by_finding(tables: DatasetTables) -> dict[str, Any]:
    """Return id of another protocol's table -> its main metric in each finding."""
    by_key = {record.key: record for record in tables.leaderboard.records}
    return {anchor(table.title): of_protocol_table(layout, table, by_key) for layout, table in tables.protocols}


def _label(view: View) -> str:
    """Return the main protocol's name; for a part of the images with their number."""
    return MAIN_PROTOCOL + str(view["title"]).removeprefix(main_table.TITLE).replace(", ", ": ")


def _counts(records: Sequence[Record]) -> dict[str, int]:
    runs = [record for record in records if record.source == "run" and record.cell.protocol != PAIRED]
    return {status: sum(record.status == status for record in runs) for status in ("ok", "n/a", "failed")}


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


def record_details(records: Iterable[Record]) -> dict[str, Any]:
    """Return ``fields``, the distinct ``values``, and for each record's key the index of each field's value."""
    encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode
    index: dict[str, int] = {}
    rows = {r.key: [index.setdefault(encode(value), len(index)) for value in _values(r)] for r in records}
    return {"fields": list(FIELDS), "values": [json.loads(text) for text in index], "records": rows}


def _values(record: Record) -> Iterable[Any]:
    """Yield the values of a row of ``record_details``, in the order of their names."""
    yield from (getattr(record.cell, name) for name in CELL_FIELDS)
    yield from (getattr(record, name) for name in RECORD_FIELDS)
    for provenance in (record.training, record.scoring):
        yield None if provenance is None else provenance.model_dump(mode="json", exclude_defaults=True)
    wanted = ("cross-fitted", "oracle") if record.cell.protocol == MAIN_PROTOCOL else ()
    yield {origin: record.thresholds[origin] for origin in wanted if origin in record.thresholds}
    yield record.created
    yield None if (main := select.main_score(record)) is None else with_interval(main)
