"""Generate the files of ``results/`` from records; the same records give the same bytes."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.records import Record, load, ordered
from benchmark.report.entries.aggregate import leaderboards
from benchmark.report.html.render import link_documents
from benchmark.report.html.suite import PAGE, anchor, suite_page
from benchmark.report.index import index
from benchmark.report.leaderboard import main_table, numbers
from benchmark.report.leaderboard.dataset_tables import DatasetTables, tables_of
from benchmark.report.page import Description, main_tables, missing, page, path_to_checkout, short_tables
from benchmark.report.table import as_text, chosen, latex
from benchmark.scoring.statistics.bootstrap import ONE_BLAS_THREAD
from core.errors import BadValueError, hint
from core.files import write_text

__all__ = ["Description", "headline", "index", "page", "write"]


GALLERY = "gallery.html"


@ONE_BLAS_THREAD
def write(
    folder: Path | str,
    description: Description | None = None,
    records: Sequence[Record] | None = None,
    columns: Sequence[str] = (),
    published: Path | None = None,
    linked_from: Path | None = None,
) -> list[DatasetTables]:
    """Write all files generated from a folder's records, and remove outdated ones.

    These are ``index.html``, ``leaderboard.md``, ``.csv`` and ``.tex``.
    Returns the tables of each data set. Nothing is written on an error.

    Args:
        folder: folder of the suite.
        description: texts on the pages; by default only a title, the name of the folder.
        records: records of the folder, if already loaded.
        columns: columns of ``leaderboard.tex``.
        published: folder with the published per-case rows, if the records include published ones.
        linked_from: final folder of ``leaderboard.md``, for its links to the documentation; default ``folder``.

    Raises:
        DataError: for an invalid record.
        BadValueError: for a column that no table has.
    """
    folder = Path(folder)
    description = description or Description(folder.name)
    linked_from = linked_from or folder
    folders = [folder, *([] if published is None else [published])]
    all_records = load(folder) if records is None else ordered(records)  # the output does not depend on the caller
    boards = leaderboards(all_records, folders, description.rank_methods)
    datasets = [tables_of(board) for board in boards]
    latex_text = _latex(folder.name, datasets, columns)
    write_text(folder / "leaderboard.csv", numbers.leaderboard_csv(boards))
    write_text(folder / "leaderboard.tex", latex_text)
    text = page(all_records, description, datasets, folder.name, linked_from)
    write_text(folder / "leaderboard.md", text)
    html = suite_page(folder.name, description, (folder / GALLERY).is_file(), all_records, datasets)
    write_text(folder / PAGE, link_documents(html, path_to_checkout(linked_from)))
    return datasets


def headline(datasets: Sequence[DatasetTables]) -> str:
    """Return the main tables of a suite for a terminal, with the reasons for missing cells."""
    tables = [table for data in datasets for table in data.checks[:1]]
    tables += [chosen(t, main_table.SHORT) for data in datasets for t in main_tables(data, main_table.SHORT)]
    tables += [missing(data.leaderboard.records) for data in datasets[:1]]
    return "\n".join(as_text(table) for table in tables if table.rows)


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
