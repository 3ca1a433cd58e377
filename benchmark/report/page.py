"""``leaderboard.md``: the main tables of a suite in the columns that decide, with links to everything else."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmark.records.record import Record
from benchmark.report import select
from benchmark.report.checks.base import CheckAnswer
from benchmark.report.checks.base import answers as check_answers
from benchmark.report.sections import DatasetTables
from benchmark.report.table import Table, chosen, markdown
from core.cli import CONFIGS
from core.names import MAIN

GENERATED = "<!-- Generated from the records by `python -m benchmark.run`: do not edit. -->"
DECIDE = (
    *("rank", "backbone", "pooling", "attention", "size", "seed", "trained on", "method", "same map as"),
    *(MAIN, "of this network", "tied with first", "among these networks", "− prior", "pointing", "auroc"),
    "note",
)
"""The columns that decide; those that are the same in all rows or say nothing are left out."""
MOST = 10
NOTES = {"note", ""}
OF_BOARDS = ("auroc", "size", "pointing")
"""What a wide board lacks in Markdown, the first first; the page and ``leaderboard.csv`` have it."""
OF_CHECKS = (
    *("absolute values, all", "pointing, trained", "pointing, all", "pointing, conventional"),
    *("pointing, aligned", "other findings, as drawn", "other findings, no token", "road@morf", "road@lerf"),
    *("without an order", "same map as", "features.1", "layer1", "layer2", "n methods", "range over methods"),
    *("range over conventions", "size", "n cases", "captum bilinear"),
)
"""The same for the tables of checks."""
COMMITTED_PAGES = ("demo", "phantom", "nih-sample")
"""Suites whose ``index.html`` comes with the checkout, so that a link leads there; others' are written on the spot."""
MEANINGS = "docs/protocols.md"
"""The page that says what the columns mean, below the checkout."""


def page(
    records: Sequence[Record],
    title: str,
    about: str = "",
    tables: Sequence[DatasetTables] = (),
    pictures: Sequence[str] = (),
    suite: str = "",
    folder: Path | None = None,
) -> str:
    """The text of ``leaderboard.md``: per data set what its checks say or its main table, then what has no number.

    ``tables`` are those of each data set, ``pictures`` the files of pictures beside the page, ``folder`` its place: one
    below the checkout has a link to the documentation.
    """
    shown = [_answer(said) for part in tables for said in check_answers(records, part.dataset)]
    shown += [markdown(_short(table, OF_CHECKS)) for part in tables for table in part.checks]
    shown += [markdown(table) for part in tables for table in part.choice]
    shown += [markdown(_short(chosen(table, DECIDE), OF_BOARDS)) for part in tables for table in part.boards[:1]]
    sections = [f"# {title}", GENERATED, about, _links(pictures, suite, folder), *shown, without_number(records)]
    return "\n\n".join(section.strip() for section in sections if section) + "\n"


def _short(table: Table, left_out: Sequence[str]) -> Table:
    """At most ``MOST`` columns beside the notes: the last of ``left_out`` stay the longest."""
    headings = [heading.removesuffix(" [95 %]") for heading in table.header]
    for name in left_out:
        if name in headings and len({*headings} - NOTES) > MOST:
            headings.remove(name)
    return chosen(table, headings)


def _answer(said: CheckAnswer) -> str:
    lines = (*said.sentences, f"It does not show: {said.limit[0].lower()}{said.limit[1:]}")
    return "\n".join([f"## {said.question}", "", *(f"- {line}" for line in lines)])


def _links(pictures: Sequence[str], suite: str, folder: Path | None) -> str:
    files = " · ".join(f"[{name}]({name})" for name in ("leaderboard.csv", *pictures))
    page = "[index.html](index.html)" if suite in COMMITTED_PAGES else "`index.html`, which the suite's command writes"
    return f"All tables, charts and the records behind them: {page} · {files} · {_meanings(folder)}"


def _meanings(folder: Path | None) -> str:
    """A link from ``folder`` to the page that says what the columns mean; its name alone where that is no place."""
    if folder is None or CONFIGS.parent not in folder.resolve().parents:
        return f"what the columns mean: {MEANINGS} of the checkout"
    up = Path(os.path.relpath(CONFIGS.parent, folder.resolve()))
    return f"[what the columns mean]({(up / MEANINGS).as_posix()})"


def without_number(records: Sequence[Record]) -> str:
    """How many cells have no number, reason by reason; nothing where all have one.

    As ``- 12 n/a: the method needs attention, which this network has none of``, below the names of the networks.
    """
    reasons = Counter((r.status, r.reason) for r in records if r.status != "ok")
    lines = [f"- {count} {status}: {reason}" for (status, reason), count in sorted(reasons.items())]
    networks = sorted({select.network(r) for r in records if r.status != "ok"} - {""})
    heading = f"## Cells without a number\n\nOf {', '.join(networks)}.\n\n" if networks else ""
    return "\n".join([heading or "## Cells without a number\n", *lines]) if lines else ""
