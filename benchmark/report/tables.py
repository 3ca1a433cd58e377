"""Generates what stands in ``results/``: pure functions of records, the same bytes every time."""

import re
from collections.abc import Sequence
from pathlib import Path

from benchmark.records import Record, load, ordered
from benchmark.report import select
from benchmark.report.charts import component_bars, diagram
from benchmark.report.checks.base import tables as check_tables
from benchmark.report.comparisons.agreement import with_agreement
from benchmark.report.comparisons.rows import with_entries
from benchmark.report.html.suite import PAGE, SuitePage, suite_page
from benchmark.report.index import index
from benchmark.report.leaderboard import choice, main_table, numbers, ranks
from benchmark.report.leaderboard.ranks import Ranking
from benchmark.report.missing import missing
from benchmark.report.page import page
from benchmark.report.protocols import on_surface
from benchmark.report.sections import tables_of
from benchmark.report.table import Table, as_text, chosen, latex
from benchmark.report.variance.design import design
from benchmark.statistics.bootstrap import BLAS
from core.errors import BadValueError, hint
from core.files import atomic, write_text
from core.names import MAIN

__all__ = ["headline", "index", "page", "write"]


GALLERY = "gallery.html"
LATEX = ("rank", "backbone", "pooling", "seed", "method", "same map as", MAIN, "of this network", "− prior", "pointing")
"""Columns of a ranking in ``leaderboard.tex`` unless others are asked for: as many as a page holds."""


@BLAS.wrap(limits=1, user_api="blas")  # more threads would round otherwise
def write(
    folder: Path | str,
    title: str = "",
    about: str = "",
    records: Sequence[Record] | None = None,
    columns: Sequence[str] = (),
    published: Path | None = None,
    limits: str = "",
    linked_from: Path | None = None,
) -> list[Record]:
    """Write all that is generated from a folder's records, and remove what they no longer give.

    ``index.html``, ``leaderboard.md``, ``.csv``, ``.tex``; where there is something to show ``ranks.svg`` (critical
    differences), ``components.svg`` (of variance) and ``seed.xlsx``. ``title`` and ``about`` are the suite's own words
    above the tables, ``limits`` its first of what it does not show, ``records`` those of the folder where they are
    known already, ``columns`` those of ``leaderboard.tex``; ``published`` is the folder of those that stand beside.
    ``leaderboard.md`` links to the documentation from ``linked_from``: ``folder`` unless it is moved later.
    Returned are the records and the entries made of them. Raises ``core.errors.DataError`` for a
    broken record and ``BadValueError`` for a column that no table has; nothing is written then.
    """
    folder = Path(folder)
    folders = _folders(folder, published)
    records = with_agreement(with_entries(_given(folder, records), folders), folders)
    names = select.datasets(records)
    parts = {name: part for name in names if (part := design(records, name, folders)) is not None}
    sections = [tables_of(records, name) for name in names]
    rankings = [ranking for name in names for ranking in ranks.rankings(records, name)]
    latex_text = _latex(folder.name, [t for part in sections for t in (*part.checks, *part.boards)], columns)
    write_text(folder / "leaderboard.csv", numbers.leaderboard_csv(records))
    write_text(folder / "leaderboard.tex", latex_text)
    drawn = {ranks.PICTURE: _drawn(rankings), component_bars.PICTURE: component_bars.drawing(parts)}
    for name, picture in drawn.items():
        _put(folder / name, picture.encode())
    pictures = [name for name, picture in drawn.items() if picture]
    write_text(
        folder / "leaderboard.md",
        page(records, title or folder.name, about, sections, pictures, folder.name, linked_from or folder),
    )
    has_gallery = (folder / GALLERY).is_file()
    suite = SuitePage(folder.name, title or folder.name, about, limits, drawn[ranks.PICTURE], folders, has_gallery)
    write_text(folder / PAGE, suite_page(suite, records, sections, parts))
    seed = [table for name in names for layout in on_surface.SEED if (table := layout.fill(records, name))]
    _put(folder / "seed.xlsx", _seed(seed) if seed else b"")
    return records


def headline(folder: Path | str, records: Sequence[Record] | None = None, published: Path | None = None) -> str:
    """The main tables of a suite in a few columns, for a terminal; the reasons where nothing was scored.

    ``records`` may be what ``write`` gave; ``published``: as of ``write``.
    """
    records = with_entries(_given(Path(folder), records), _folders(folder, published))
    names = select.datasets(records)
    checks = [table for name in names for table in check_tables(records, name)[:1]]
    shown = [main_table.short(records, name, part) for name in names for part in (None, *select.parts(records, name))]
    worth = [table for name in names for table in choice.tables(records, name)[:1]]
    return "\n".join(map(as_text, filter(None, [*checks, *worth, *shown, missing(records)])))


def _folders(folder: Path | str, published: Path | None) -> list[Path]:
    """Where rows per case lie."""
    return [Path(folder), *([] if published is None else [published])]


def _given(folder: Path, records: Sequence[Record] | None) -> list[Record]:
    """In the order of their files, so that the same records give the same bytes whoever hands them over."""
    return load(folder) if records is None else ordered(records)


def _latex(suite: str, tables: Sequence[Table], columns: Sequence[str]) -> str:
    known = {heading.removesuffix(" [95 %]") for table in tables for heading in table.header}
    if other := [name for name in columns if name not in known and tables]:
        raise BadValueError(
            f"--columns has {other[0]!r}: {hint(other[0], known)}the tables of {suite} have {', '.join(sorted(known))}"
        )
    shown = [chosen(table, columns or LATEX) if columns or "rank" in table.header else table for table in tables]
    labels = (f"tab:{suite}-{re.sub(r'[^a-z0-9]+', '-', table.title.lower()).strip('-')}" for table in tables)
    return "\n".join(latex(table, label) for table, label in zip(shown, labels, strict=True))


def _put(file: Path, content: bytes) -> None:
    """Write a file, or remove what an earlier run left where there is nothing to show."""
    if content:
        with atomic(file) as temporary:
            temporary.write_bytes(content)
    else:
        file.unlink(missing_ok=True)


def _drawn(rankings: Sequence[Ranking]) -> str:
    return diagram.drawing([(ranking.title, ranking.diagram) for ranking in rankings]) if rankings else ""


def _seed(tables: Sequence[Table]) -> bytes:
    from benchmark.report.excel import workbook  # openpyxl is half of the start-up time of a run with nothing to do

    return workbook(tables)
