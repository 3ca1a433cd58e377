"""``leaderboard.md``: the answer of a suite, its main tables, what they rest on, and cells without a score.

``side_by_side`` compares a run with the published results of its suite, for the terminal: both scores of each row. The
HTML page of a suite is in ``html``, the overview of all suites in ``tables``.
"""

import os
import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from locus.benchmark.records.record import Record, why_other
from locus.benchmark.report import by_protocol, literature, main_table, select
from locus.benchmark.report.all_tables import CheckReport, DatasetTables
from locus.benchmark.report.answer import answer
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.row import network_words
from locus.benchmark.report.table import Table, as_text, difference, markdown, with_interval
from locus.core.cli import CONFIGS
from locus.core.names import MAIN

DRAWN = {
    "drawn by code": "The images are drawn by code: the order of methods may differ on radiographs.",
    "drawn into radiographs": "The findings are drawn: the order of methods may differ for real findings.",
}
"""Source of the images -> what it means."""
GENERATED = "<!-- Generated from the records by `python -m benchmark.run`: do not edit. -->"
MEANINGS = "docs/protocols.md"
"""Page that explains the columns, relative to the checkout."""


@dataclass(frozen=True)
class Description:
    """Texts about a suite on its pages, and the methods by which its networks are compared."""

    title: str
    about: str = ""
    command: str = ""
    """Command that makes the results, if they are those of a suite."""
    rank_methods: Sequence[str] = ()
    """See ``locus.benchmark.report.comparisons``."""
    listed: Set[str] | None = None
    """Keys of the cells that the suite lists; other rows are a user's. None: no row is."""
    maps_of: Path | None = None
    """Folder of the suite whose maps it scores."""
    checks: Sequence[type[CheckReport]] = ()
    """Reports of the validity checks that its records may have."""
    answers_first: bool = False
    """Whether the answers and charts of all data sets come before their tables: a suite without networks."""
    has_maps: bool = False
    """Whether ``benchmark.gallery`` can draw its maps."""


def page(
    records: Sequence[Record], description: Description, datasets: Sequence[DatasetTables], folder: Path | None = None
) -> str:
    """Return the text of ``leaderboard.md``: the answer, the main tables, the notes, and cells without a score.

    ``folder``: folder of the page; pages in the checkout link to the documentation.
    """
    parts = [f"# {description.title}", GENERATED]
    for data in datasets:
        parts += ["\n\n".join(answers(data))]
        parts += [markdown(table) for table in data.printed]
    boards = [data.leaderboard for data in datasets]
    lines = [f"{board.title}: {line}" if len(boards) > 1 else line for board in boards for line in notes(board)]
    files = "all rows: [leaderboard.csv](leaderboard.csv); page: [index.html](index.html)"
    links = f"Columns: {_meanings(folder)}; {files}."
    notes_text = "\n".join(["## Notes", "", *(f"- {line}" for line in [*lines, description.about, links] if line)])
    missing = cells_without_score(records)
    gaps = "\n".join(["## Cells without a score", "", *(f"- {line}" for line in missing)]) if missing else ""
    return "\n\n".join(part.strip() for part in [*parts, notes_text, gaps] if part) + "\n"


def answers(tables: DatasetTables) -> list[str]:
    """Return the lines of the answer of a data set, of its protocols and of its checks."""
    board = tables.leaderboard
    lines = [*answer(board), *literature.answer(board), *by_protocol.sentences(board)]
    for report in tables.reports:
        lines += [*([f"**{report.question}**"] if report.question else []), *report.sentences()]
        lines += [f"This does not show: {report.limit[0].lower()}{report.limit[1:]}"] if report.limit else []
    return lines


def notes(board: Leaderboard) -> list[str]:
    """Return the notes of a data set: what its tables rest on, and what they do not show."""
    sources = {str(record.data.get("source")) for record in board.records}
    return [*main_table.notes(board), *(text for source, text in DRAWN.items() if source in sources)]


def _meanings(folder: Path | None) -> str:
    """Return a link from ``folder`` to the page that explains the columns; only its name outside the checkout."""
    if folder is None or (checkout := path_to_checkout(folder)) is None:
        return f"{MEANINGS} in the checkout"
    return f"[{MEANINGS}]({(checkout / MEANINGS).as_posix()})"


def path_to_checkout(folder: Path) -> Path | None:
    """Return the relative path from ``folder`` to the checkout; None outside it."""
    if CONFIGS.parent not in folder.resolve().parents:
        return None
    return Path(os.path.relpath(CONFIGS.parent, folder.resolve()))


def cells_without_score(records: Sequence[Record]) -> list[str]:
    """Return a line per reason for which cells have no score, with their number and networks.

    Reasons that differ in numbers only are one line, with the numbers of the first cell.
    """
    gaps = sorted((r for r in records if r.status != "ok"), key=lambda record: (record.status, record.reason))
    groups = select.grouped(gaps, lambda record: (record.status, re.sub(r"\d[\d.]*", "", record.reason)))
    lines = []
    for group in groups.values():
        networks = ", ".join(sorted({network_words(record.cell) for record in group}))
        lines.append(f"{len(group)} {group[0].status} ({networks}): {group[0].reason}")
    return lines


HEADER = ("network", "seed", "method", f"{MAIN} published [95%]", "yours [95%]", "difference")


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
    names = network_words(here.cell), str(here.cell.seed), here.method
    return (*names, *values, difference(select.main_value(here), select.main_value(published)))
