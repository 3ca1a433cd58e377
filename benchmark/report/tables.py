"""Generate the files of ``results/`` from records; the same records give the same bytes."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.records import Record, load, ordered
from benchmark.report.charts import COMPONENTS, figures
from benchmark.report.entries.aggregate import Leaderboard, leaderboards
from benchmark.report.html.render import link_documents
from benchmark.report.html.suite import PAGE, anchor, suite_page
from benchmark.report.index import index
from benchmark.report.leaderboard import main_table, numbers
from benchmark.report.leaderboard.dataset_tables import DatasetTables, tables_of
from benchmark.report.leaderboard.protocols import SEED
from benchmark.report.page import main_tables, missing, page, path_to_checkout, short_tables
from benchmark.report.table import Table, as_text, chosen, latex
from benchmark.scoring.statistics.bootstrap import ONE_BLAS_THREAD
from core.errors import BadValueError, hint
from core.files import atomic, write_text

__all__ = ["headline", "index", "page", "write"]


GALLERY = "gallery.html"
PICTURE, PICTURE_INCHES = "components.svg", 7.0
"""Picture of the components of variance, and its width in inches."""


@ONE_BLAS_THREAD
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
) -> list[DatasetTables]:
    """Write all files generated from a folder's records, and remove outdated ones.

    These are ``index.html``, ``leaderboard.md``, ``.csv`` and ``.tex``, and, if they are not empty, ``components.svg``
    and ``seed.xlsx``. Returns the tables of each data set. Nothing is written on an error.

    Args:
        folder: folder of the suite.
        title: heading of the pages.
        about: the suite's description.
        records: records of the folder, if already loaded.
        columns: columns of ``leaderboard.tex``.
        published: folder with the published per-case rows, if the records include published ones.
        limits: a limitation of the suite, first in the list of limitations.
        rank_methods: methods by which networks are compared: see ``entries.networks``.
        held_out: footnote below the tables.
        linked_from: final folder of ``leaderboard.md``, for its links to the documentation; default ``folder``.

    Raises:
        DataError: for an invalid record.
        BadValueError: for a column that no table has.
    """
    folder, title = Path(folder), title or Path(folder).name
    linked_from = linked_from or folder
    folders = [folder, *([] if published is None else [published])]
    all_records = load(folder) if records is None else ordered(records)  # the output does not depend on the caller
    boards = leaderboards(all_records, folders, rank_methods)
    datasets = [tables_of(board) for board in boards]
    latex_text = _latex(folder.name, datasets, columns)
    write_text(folder / "leaderboard.csv", numbers.leaderboard_csv(boards))
    write_text(folder / "leaderboard.tex", latex_text)
    pictures = _pictures(folder, boards)
    text = page(all_records, title, about, datasets, pictures, folder.name, held_out, linked_from)
    write_text(folder / "leaderboard.md", text)
    texts = {"name": folder.name, "title": title, "about": about, "limits": limits, "held_out": held_out}
    html = suite_page({**texts, "has_gallery": (folder / GALLERY).is_file()}, all_records, datasets)
    write_text(folder / PAGE, link_documents(html, path_to_checkout(linked_from)))
    seed = [table for b in boards for layout in SEED if (table := layout.fill(b.records, b.dataset)).rows]
    _write_workbook(folder / "seed.xlsx", seed)
    return datasets


def headline(datasets: Sequence[DatasetTables]) -> str:
    """Return the main tables of a suite for a terminal, with the reasons for missing cells."""
    tables = [table for data in datasets for table in data.checks[:1]]
    tables += [chosen(t, main_table.SHORT) for data in datasets for t in main_tables(data, main_table.SHORT)]
    tables += [missing(data.leaderboard.records) for data in datasets[:1]]
    return "\n".join(as_text(table) for table in tables if table.rows)


def _pictures(folder: Path, boards: Sequence[Leaderboard]) -> list[str]:
    """Draw the components of variance of each data set that has any, remove outdated pictures; return their names."""
    drawn = [board for board in boards if board.design is not None]
    names = [PICTURE if len(drawn) == 1 else PICTURE.replace(".", f"-{board.dataset}.") for board in drawn]
    for board, name in zip(drawn, names, strict=True):
        write_text(folder / name, figures.drawing(COMPONENTS.spec(board), PICTURE_INCHES))
    for outdated in {*folder.glob(PICTURE.replace(".", "*."))} - {folder / name for name in names}:
        outdated.unlink()
    return names


def _latex(suite: str, datasets: Sequence[DatasetTables], columns: Sequence[str]) -> str:
    """Return the selected tables as LaTeX; raise if no table has a column of ``columns``."""
    tables = [t for data in datasets for t in (*data.checks, *data.networks, *data.methods, *data.effects)]
    headings = {heading.removesuffix(" [95%]") for table in tables for heading in table.header}
    if unknown := [name for name in columns if name not in headings and tables]:
        raise BadValueError(
            f"--columns: unknown column {unknown[0]!r}: {hint(unknown[0], headings)}the columns of {suite} are "
            f"{', '.join(sorted(headings))}"
        )
    selected = (
        [chosen(table, columns) for table in tables]
        if columns
        else [table for data in datasets for table in (*data.checks, *short_tables(data))]
    )
    labels = (f"tab:{suite}-{anchor(table.title)}" for table in selected)
    return "\n".join(latex(table, label) for table, label in zip(selected, labels, strict=True))


def _write_workbook(file: Path, tables: Sequence[Table]) -> None:
    """Write tables for Excel, or remove the file if there are none."""
    if not tables:
        file.unlink(missing_ok=True)
        return
    from benchmark.report.excel import workbook  # slow import

    with atomic(file) as temporary:
        temporary.write_bytes(workbook(tables))
