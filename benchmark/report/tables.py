"""Generate the files of ``results/`` from records; the same records give the same bytes."""

import re
from collections.abc import Sequence
from pathlib import Path

from benchmark.records import Record, load, ordered
from benchmark.report import select
from benchmark.report.charts import component_bars
from benchmark.report.checks.base import tables as check_tables
from benchmark.report.comparisons.agreement import with_agreement
from benchmark.report.comparisons.rows import add_leaderboard_entries
from benchmark.report.html.render import link_documents
from benchmark.report.html.suite import PAGE, SuitePage, suite_page
from benchmark.report.index import index
from benchmark.report.leaderboard import choice, effects, main_table, networks, numbers
from benchmark.report.missing import missing
from benchmark.report.page import leaderboards, page, path_to_checkout
from benchmark.report.protocols import on_surface
from benchmark.report.sections import DatasetTables, tables_of
from benchmark.report.table import Table, as_text, chosen, latex
from benchmark.report.variance.design import design
from benchmark.scoring.statistics.bootstrap import BLAS
from core.errors import BadValueError, hint
from core.files import atomic, write_text

__all__ = ["headline", "index", "page", "write"]


GALLERY = "gallery.html"


@BLAS.wrap(limits=1, user_api="blas")  # the number of threads changes rounding
def write(
    folder: Path | str,
    title: str = "",
    about: str = "",
    records: Sequence[Record] | None = None,
    columns: Sequence[str] = (),
    published: Path | None = None,
    limits: str = "",
    rank_methods: Sequence[str] = (),
    held_out: str = "",
    linked_from: Path | None = None,
) -> list[Record]:
    """Write all files generated from a folder's records, and remove outdated ones.

    These are ``index.html``, ``leaderboard.md``, ``.csv`` and ``.tex``, and, if they are not empty, ``components.svg``
    and ``seed.xlsx``. Returns the records plus the entries computed from them. Nothing is written on an error.

    Args:
        folder: folder of the suite.
        title: heading of the pages.
        about: the suite's description.
        records: records of the folder, if already loaded.
        columns: columns of ``leaderboard.tex``.
        published: folder with published records that are shown as well.
        limits: the suite's own limitation, first in the list of limitations.
        rank_methods: methods that networks are compared by: see ``comparisons.networks``.
        held_out: footnote below the tables.
        linked_from: final folder of ``leaderboard.md``, for its links to the documentation; default ``folder``.

    Raises:
        DataError: for an invalid record.
        BadValueError: for a column that no table has.
    """
    folder = Path(folder)
    folders = _folders(folder, published)
    records = with_agreement(add_leaderboard_entries(_given(folder, records), folders, rank_methods), folders)
    names = select.datasets(records)
    parts = {name: part for name in names if (part := design(records, name, folders)) is not None}
    sections = [tables_of(records, name) for name in names]
    latex_text = _latex(folder.name, records, sections, columns)
    write_text(folder / "leaderboard.csv", numbers.leaderboard_csv(records))
    write_text(folder / "leaderboard.tex", latex_text)
    picture = component_bars.drawing(parts)
    _put(folder / component_bars.PICTURE, picture.encode())
    pictures = [component_bars.PICTURE] if picture else []
    text = page(records, title or folder.name, about, sections, pictures, folder.name, held_out, linked_from or folder)
    write_text(folder / "leaderboard.md", text)
    has_gallery = (folder / GALLERY).is_file()
    suite = SuitePage(folder.name, title or folder.name, about, limits, held_out, folders, has_gallery)
    html = suite_page(suite, records, sections, parts)
    write_text(folder / PAGE, link_documents(html, path_to_checkout(Path(linked_from or folder))))
    seed = [table for name in names for layout in on_surface.SEED if (table := layout.fill(records, name))]
    _put(folder / "seed.xlsx", _seed(seed) if seed else b"")
    return records


def headline(folder: Path | str, records: Sequence[Record] | None = None, published: Path | None = None) -> str:
    """Return the main tables of a suite for a terminal, with the reasons for missing cells.

    ``records`` may be those returned by ``write``; ``published`` as in ``write``.
    """
    records = add_leaderboard_entries(_given(Path(folder), records), _folders(folder, published))
    names = select.datasets(records)
    checks = [table for name in names for table in check_tables(records, name)[:1]]
    headlines = [table for name in names for table in _headlines(records, name)]
    worth = [table for name in names for table in choice.tables(records, name)[:1]]
    return "\n".join(map(as_text, filter(None, [*checks, *worth, *headlines, missing(records)])))


def _headlines(records: Sequence[Record], dataset: str) -> list[Table | None]:
    """Return the tables of networks, methods and effects, then the tables on parts of the images."""
    over_all = networks.table(records, dataset), effects.table(records, dataset)
    compared, effect = (None if table is None else chosen(table, main_table.SHORT) for table in over_all)
    parts = (main_table.short(records, dataset, part) for part in select.parts(records, dataset))
    return [compared, main_table.short(records, dataset), effect, *parts]


def _folders(folder: Path | str, published: Path | None) -> list[Path]:
    """Return the folders with per-case rows."""
    return [Path(folder), *([] if published is None else [published])]


def _given(folder: Path, records: Sequence[Record] | None) -> list[Record]:
    """Return the records in the order of their files, so that the output does not depend on the caller."""
    return load(folder) if records is None else ordered(records)


def _latex(suite: str, records: Sequence[Record], sections: Sequence[DatasetTables], columns: Sequence[str]) -> str:
    tables = [t for part in sections for t in (*part.checks, *part.networks, *part.boards, *part.effects)]
    headings = {heading.removesuffix(" [95 %]") for table in tables for heading in table.header}
    if unknown := [name for name in columns if name not in headings and tables]:
        raise BadValueError(
            f"--columns has {unknown[0]!r}: {hint(unknown[0], headings)}the tables of {suite} have "
            f"{', '.join(sorted(headings))}"
        )
    selected = (
        [chosen(table, columns) for table in tables]
        if columns
        else [table for part in sections for table in (*part.checks, *leaderboards(records, part))]
    )
    labels = (f"tab:{suite}-{re.sub(r'[^a-z0-9]+', '-', table.title.lower()).strip('-')}" for table in selected)
    return "\n".join(latex(table, label) for table, label in zip(selected, labels, strict=True))


def _put(file: Path, content: bytes) -> None:
    """Write a file, or remove it if ``content`` is empty."""
    if content:
        with atomic(file) as temporary:
            temporary.write_bytes(content)
    else:
        file.unlink(missing_ok=True)


def _seed(tables: Sequence[Table]) -> bytes:
    from benchmark.report.excel import workbook  # slow import

    return workbook(tables)
