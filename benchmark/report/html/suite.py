"""``index.html`` of a suite: one file with the answer, the leaderboard, all tables and the records behind them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.records import Record
from benchmark.report.html.answer import answer, answers_of_checks
from benchmark.report.html.figures import charts, drawing
from benchmark.report.html.findings import of_entry, of_protocol_table
from benchmark.report.html.glossary import glossary
from benchmark.report.html.render import render
from benchmark.report.html.views import View, anchor, details, heading_texts, view
from benchmark.report.leaderboard import main_table
from benchmark.report.leaderboard.sections import DatasetTables
from benchmark.report.page import missing
from benchmark.report.table import Table
from core.names import MAIN, MAIN_PROTOCOL, PAIRED

PAGE = "index.html"


@dataclass(frozen=True)
class SuitePage:
    """Texts and options of a suite's page."""

    name: str
    title: str
    about: str
    """The suite's description."""
    limits: str = ""
    """A limitation of the suite: first item of the list of limitations."""
    held_out: str = ""
    """Result of checking the recipe on other images: a footnote below the tables."""
    has_gallery: bool = False
    """Whether the folder of the page has a ``gallery.html``."""


SECTIONS = ("checks", "choice", "networks", "effects", "findings", "closer", "published")
"""Fields of ``DatasetTables`` that are sections of the page without changes."""


def suite_page(page: SuitePage, records: Sequence[Record], sections: Sequence[DatasetTables]) -> str:
    """Render the page; the same records give the same bytes."""
    datasets = [_dataset(part) for part in sections]
    gaps = [view(table, {}) for table in [missing(records)] if table.rows]
    views = [*(table for dataset in datasets for table in _views(dataset)), *gaps]
    drawn = [chart for part in sections for chart in charts(part)]
    linked_keys = {key for table in views for line in table["lines"] for key in line["records"]}
    rows = [row for part in sections for entries in part.leaderboard.parts.values() for row in entries]
    return render(
        "suite.html",
        page=page,
        main=MAIN,
        command=command(page.name, records),
        datasets=datasets,
        missing=gaps,
        counts=_counts(records),
        seeds=_more_seeds(records),
        glossary=glossary(heading_texts(views)),
        records=details(record for record in records if record.key in linked_keys),
        findings={row.key: of_entry(row) for row in rows},
        protocols={key: table for part in sections for key, table in _by_finding(part).items()},
        charts=drawn,
        drawing=drawing() if any(chart["spec"] for chart in drawn) else "",
    )


def command(name: str, records: Sequence[Record]) -> str:
    """Return the command that writes the page again.

    >>> command("demo", [])
    'python -m benchmark.run --suite demo'
    """
    if any(record.source == "external" for record in records):
        return "python -m benchmark.score --entry …  (docs/score.md)"
    return f"python -m benchmark.run --suite {name}"


def _more_seeds(records: Sequence[Record]) -> list[int]:
    """Return the seeds of the records plus a new one, at least three in all."""
    seeds = sorted({record.cell.seed for record in records if record.cell.seed is not None})
    first = max(seeds, default=-1) + 1
    return [*seeds, *range(first, first + max(1, 3 - len(seeds)))]


def _dataset(tables: DatasetTables) -> dict[str, Any]:
    """Return the answers and tables of a data set by section; boards are pairs with their label in the menu."""
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
        "boards": [
            *((_label(board), board) for board in views(tables.boards)),
            *zip(labels, views(table for _, table in tables.protocols), strict=True),
        ],
    }


def _views(dataset: Mapping[str, Any]) -> list[View]:
    boards = [board for _, board in dataset["boards"]]
    return [*dataset["first"], *boards, *(view for section in SECTIONS for view in dataset[section])]


def _by_finding(tables: DatasetTables) -> dict[str, Any]:
    """Return id of another protocol's table -> its main metric in each finding."""
    by_key = {record.key: record for record in tables.leaderboard.records}
    return {anchor(table.title): of_protocol_table(layout, table, by_key) for layout, table in tables.protocols}


def _label(board: View) -> str:
    """Return the main protocol's name; for a part of the images with their number."""
    return MAIN_PROTOCOL + str(board["title"]).removeprefix(main_table.TITLE).replace(", ", ": ")


def _counts(records: Sequence[Record]) -> dict[str, int]:
    runs = [record for record in records if record.source == "run" and record.cell.protocol != PAIRED]
    return {status: sum(record.status == status for record in runs) for status in ("ok", "n/a", "failed")}
