"""``leaderboard.md``: the main tables of a suite with their main columns, links to all other files, missing cells.

``side_by_side`` compares a run with the published results of its suite, for the terminal: both scores of each row. The
HTML page of a suite is in ``html``, the overview of all suites in ``tables``.
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from locus.benchmark.records.record import Record, why_other
from locus.benchmark.report import main_table, select
from locus.benchmark.report.all_tables import CheckReport, DatasetTables
from locus.benchmark.report.main_table import COLUMNS
from locus.benchmark.report.table import NOTHING, Table, as_text, chosen, difference, markdown, with_interval
from locus.core.cli import CONFIGS
from locus.core.names import MAIN

GENERATED = "<!-- Generated from the records by `python -m benchmark.run`: do not edit. -->"
DECIDE = (*COLUMNS, "rank", "auroc")
"""Headings of the columns that a page shows by default."""
MOST = 10
NOTES = {"note", ""}
OF_BOARDS = ("pointing", "seed", "size", "sd over runs", "auroc", "auroc, images with boxes", "P(best)", "same map as")
"""Columns that wide tables omit in Markdown, in this order; the page and ``leaderboard.csv`` have them."""
OF_CHECKS = (
    "n of road",
    *("absolute values, all", "pointing, trained", "pointing, all", "pointing, conventional"),
    *("pointing, aligned", "road@morf", "road@lerf"),
    *("constant maps", "same map as", "features.1", "layer1", "layer2", "n methods"),
    *("size", "n cases", "captum bilinear"),
)
"""The same, for the tables of checks."""
COMMITTED_PAGES = ("demo", "phantom", "nih-sample")
"""Suites whose ``index.html`` is committed and can be linked; other pages are written on demand."""
MEANINGS = "docs/protocols.md"
"""Page that explains the columns, relative to the checkout."""
MISSING_HEADER = ("dataset", "backbone", "pooling", "attention", "methods", "protocols", "cells", "status", "reason")
MISSING_ABOUT = (
    "Each of these cells has a record with the reason. Cases (an image and a finding) whose map failed count as misses "
    "in the tables above."
)


@dataclass(frozen=True)
class Description:
    """Texts about a suite on its pages, and the methods by which its networks are compared."""

    title: str
    about: str = ""
    limits: str = ""
    """A limitation of the suite: the end of the description in Markdown, the first limitation on the HTML page."""
    rank_methods: Sequence[str] = ()
    """See ``locus.benchmark.report.comparisons``."""


def page(
    records: Sequence[Record],
    description: Description,
    datasets: Sequence[DatasetTables] = (),
    suite: str = "",
    folder: Path | None = None,
) -> str:
    """Return the text of ``leaderboard.md``: the checks or the three tables of each data set, then missing cells.

    ``datasets``: their tables. ``folder``: folder of the page; pages in the checkout link to the documentation.
    """
    body = [_answer(report) for data in datasets for report in data.reports if report.question]
    body += [markdown(_short(table, OF_CHECKS)) for data in datasets for table in data.checks]
    body += [text for data in datasets for text in map(markdown, short_tables(data))]
    about = f"{description.about} {description.limits}"
    head = [f"# {description.title}", GENERATED, about, _links(suite, folder)]
    sections = [*head, *body, without_number(records)]
    return "\n\n".join(section.strip() for section in sections if section) + "\n"


def short_tables(tables: DatasetTables) -> list[Table]:
    """Return the tables of networks, methods and effects, then the tables on parts of the images."""
    return [_short(table, OF_BOARDS) for table in main_tables(tables, COLUMNS)]


def main_tables(tables: DatasetTables, columns: Sequence[str]) -> list[Table]:
    """Return the non-empty tables of networks, methods, effects and parts; those of methods with ``columns`` only."""
    first, *others = (main_table.main(tables.leaderboard, part, columns) for part in tables.leaderboard.parts)
    return [table for table in (*tables.networks, first, *tables.effects, *others) if table.rows]


def _short(table: Table, left_out: Sequence[str]) -> Table:
    """Remove columns of ``left_out``, in order, until at most ``MOST`` are left besides the notes."""
    headings = [heading.removesuffix(" [95%]") for heading in table.header]
    for name in left_out:
        if name in headings and len({*headings} - NOTES) > MOST:
            headings.remove(name)
    return chosen(table, headings)


def _answer(report: CheckReport) -> str:
    lines = (*report.sentences(), f"This does not show: {report.limit[0].lower()}{report.limit[1:]}")
    return "\n".join([f"## {report.question}", "", *(f"- {line}" for line in lines)])


def _links(suite: str, folder: Path | None) -> str:
    page = "[index.html](index.html)" if suite in COMMITTED_PAGES else "`index.html` (written when you run the suite)"
    files = f"{page} · [leaderboard.csv](leaderboard.csv)"
    return f"All tables, charts and the records behind them: {files} · {_meanings(folder)}"


def _meanings(folder: Path | None) -> str:
    """Return a link from ``folder`` to the page that explains the columns; only its name outside the checkout."""
    if folder is None or (checkout := path_to_checkout(folder)) is None:
        return f"meaning of the columns: {MEANINGS} in the checkout"
    return f"[meaning of the columns]({(checkout / MEANINGS).as_posix()})"


def path_to_checkout(folder: Path) -> Path | None:
    """Return the relative path from ``folder`` to the checkout; None outside it."""
    if CONFIGS.parent not in folder.resolve().parents:
        return None
    return Path(os.path.relpath(CONFIGS.parent, folder.resolve()))


def without_number(records: Sequence[Record]) -> str:
    """Return the number of cells without a score for each reason, below the names of their networks; empty if none."""
    reasons = Counter((r.status, r.reason) for r in records if r.status != "ok")
    lines = [f"- {count} {status}: {reason}" for (status, reason), count in sorted(reasons.items())]
    networks = sorted({select.network(r) for r in records if r.status != "ok"} - {""})
    intro = [f"Networks: {', '.join(networks)}.", ""] if networks else []
    return "\n".join(["## Cells without a score", "", *intro, *lines]) if lines else ""


def missing(records: Sequence[Record]) -> Table:
    """Return cells that are not available or failed, one row per model and reason."""
    gaps = [record for record in records if record.status != "ok"]
    groups = sorted(select.grouped(gaps, _gap).items())
    rows = tuple(_missing_row(*gap) for gap in groups)
    keys = tuple(tuple(record.key for record in group) for _, group in groups)
    return Table("Cells not available or failed", MISSING_ABOUT, MISSING_HEADER, rows, keys)


def _gap(record: Record) -> tuple[str, ...]:
    c = record.cell
    return c.dataset, c.backbone, c.global_pool, c.attention_map, record.status, record.reason


def _missing_row(gap: tuple[str, ...], records: Sequence[Record]) -> tuple[str, ...]:
    *network, status, reason = gap
    methods, protocols = (_list(getattr(r.cell, name) for r in records) for name in ("method", "protocol"))
    return (*(word or NOTHING for word in network), methods, protocols, str(len(records)), status, reason)


def _list(words: Iterable[str]) -> str:
    return ", ".join(sorted({word for word in words if word})) or NOTHING


HEADER = ("backbone", "pooling", "seed", "method", f"{MAIN} published [95%]", "yours [95%]", "difference")


def side_by_side(records: Sequence[Record], published: Sequence[Record]) -> str:
    """Return the table for a terminal and one sentence; empty if no cell of ``records`` is published."""
    published_by_key = {record.key: record for record in published}
    rows = [r for name in select.datasets(records) for r in select.main_records(records, name) if r.source == "run"]
    pairs = [(published_by_key[row.key], row) for row in rows if row.key in published_by_key]
    if not pairs:
        return ""
    table = Table("Published scores and yours", "", HEADER, tuple(_row(*pair) for pair in pairs))
    return "\n".join([as_text(table), *dict.fromkeys(why_other(*pair) for pair in pairs)])


def _row(published: Record, here: Record) -> tuple[str, ...]:
    values = (with_interval(select.main_score(record)) for record in (published, here))
    names = here.cell.backbone, here.cell.global_pool, str(here.cell.seed), here.method
    return (*names, *values, difference(select.main_value(here), select.main_value(published)))
