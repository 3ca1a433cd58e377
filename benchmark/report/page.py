"""``leaderboard.md``: every table of a suite on one page, the main one first."""

import re
from collections.abc import Mapping, Sequence

from benchmark.records.record import Record
from benchmark.report import (
    breakdown,
    components,
    elsewhere,
    leaderboard,
    pixels,
    ranks,
    select,
    sheets,
    surfaces,
    validity,
)
from benchmark.report.agreement import AGREEMENT
from benchmark.report.alignment import alignment
from benchmark.report.entries import ENTRY
from benchmark.report.missing import missing
from benchmark.report.one_by_one import one_by_one
from benchmark.report.strata import strata
from benchmark.report.table import Table, markdown
from benchmark.statistics.components import BalancedScores
from core.names import CLASSIFICATION, MAIN_PROTOCOL, PAIRED

GENERATED = "<!-- Generated from the records by `python -m benchmark.run`: do not edit. -->"
SHEETS = (*surfaces.SHEETS, *pixels.SHEETS)
SHOWN = frozenset({MAIN_PROTOCOL, PAIRED, ENTRY, AGREEMENT, CLASSIFICATION, *(sheet.protocol for sheet in SHEETS)})
"""Protocols that stand in a table of this page's own making; any other has the plain sheet."""


def page(
    records: Sequence[Record], title: str, about: str = "", parts: Mapping[str, BalancedScores] | None = None
) -> str:
    """The text of ``leaderboard.md``: per data set the main tables first, at last the cells without a number.

    ``parts`` are the data sets' trainings whose components of variance are shown.
    """
    tables = [table for name in select.datasets(records) for table in of_dataset(records, name)]
    tables += [table for name, part in (parts or {}).items() for table in components.tables(part, name)]
    tables += [gaps] if (gaps := missing(records)) else []
    sections = [f"# {title}", GENERATED, *([about] if about else []), contents(tables), *map(markdown, tables)]
    return "\n\n".join(section.strip() for section in sections) + "\n"


def boards(records: Sequence[Record], dataset: str) -> list[Table]:
    """What a validity check says, or the main table on all images, then that of the slow methods on theirs."""
    main = (leaderboard.main(records, dataset, part) for part in (None, *select.parts(records, dataset)))
    tables = [*validity.tables(records, dataset), *main]
    return [table for table in tables if table is not None]


def of_dataset(records: Sequence[Record], dataset: str) -> list[Table]:
    """All tables of a data set that have a row."""
    others = sorted({r.cell.protocol for r in records if r.source != "paper"} - SHOWN - {*select.CHECKS.names()})
    all_sheets = [*SHEETS, *(sheets.plain(word, records) for word in others)]
    tables = [
        *boards(records, dataset),
        *(table(records, dataset) for table in (one_by_one, breakdown.per_finding, breakdown.by_threshold, strata)),
        *ranks.tables(records, dataset),
        alignment(records, dataset),
        *(sheets.filled(sheet, records, dataset) for sheet in all_sheets),
        *elsewhere.published(records, dataset),
    ]
    return [table for table in tables if table is not None]


def contents(tables: Sequence[Table]) -> str:
    """Links to the sections, as GitHub names them.

    >>> contents([Table("NIH: wang, T(IoU)", "", (), ())])
    'Tables: [NIH: wang, T(IoU)](#nih-wang-tiou)'
    """
    anchors = [re.sub(r"[^\w\- ]", "", table.title.lower()).replace(" ", "-") for table in tables]
    return "Tables: " + " · ".join(f"[{table.title}](#{anchor})" for table, anchor in zip(tables, anchors, strict=True))
