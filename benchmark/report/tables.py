"""Generates what stands in ``results/``: pure functions of records, the same bytes every time."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.records import Record, load, path
from benchmark.report import leaderboard, long, ranks, select, sheets, surfaces, validity
from benchmark.report.index import index
from benchmark.report.missing import missing
from benchmark.report.page import boards, page
from benchmark.report.ranks import Ranking
from benchmark.report.table import Table, latex, plain
from core.files import atomic, write_text

__all__ = ["headline", "index", "page", "write"]


def write(folder: Path | str, title: str = "", about: str = "", records: Sequence[Record] | None = None) -> None:
    """All that is generated from ``folder/records``; what the records no longer give is removed.

    ``leaderboard.md``, ``.csv``, ``.tex``; where there is something to show: ``strata.csv``, ``ranks.svg`` (critical
    differences) and ``seed.xlsx``. ``title`` and ``about`` are the suite's own words above the tables,
    ``records`` those of the folder where they are known already. Raises ``core.errors.DataError`` for a broken record;
    nothing is written then.
    """
    folder = Path(folder)
    records = _given(folder, records)
    names = select.datasets(records)
    write_text(folder / "leaderboard.csv", long.long(records))
    write_text(folder / "leaderboard.md", page(records, title or folder.name, about))
    write_text(folder / "leaderboard.tex", "\n".join(latex(table) for name in names for table in boards(records, name)))
    _strata(records, folder / "strata.csv")
    _ranks([ranking for name in names for ranking in ranks.rankings(records, name)], folder / ranks.PICTURE)
    _seed([table for name in names for sheet in surfaces.SEED if (table := sheets.filled(sheet, records, name))], folder / "seed.xlsx")


def headline(folder: Path | str, records: Sequence[Record] | None = None) -> str:
    """The main tables of a suite in a few columns, for a terminal; the reasons where nothing was scored."""
    records = _given(Path(folder), records)
    names = select.datasets(records)
    checks = [table for name in names for table in validity.tables(records, name)[:1]]
    shown = [leaderboard.short(records, name, part) for name in names for part in (None, *select.parts(records, name))]
    return "\n".join(map(plain, filter(None, [*checks, *shown, missing(records)])))


def _given(folder: Path, records: Sequence[Record] | None) -> list[Record]:
    """In the order of their files, so that the same records give the same bytes whoever hands them over."""
    return load(folder) if records is None else sorted(records, key=lambda record: path(folder, record.cell))


def _strata(records: Sequence[Record], file: Path) -> None:
    if any(record.strata for record in records):
        write_text(file, long.strata(records))
    else:
        file.unlink(missing_ok=True)


def _ranks(rankings: Sequence[Ranking], file: Path) -> None:
    if rankings:
        from benchmark.report.diagram import save  # matplotlib takes as long to import as all tables to write

        save([(ranking.title, ranking.diagram) for ranking in rankings], file)
    else:
        file.unlink(missing_ok=True)


def _seed(tables: Sequence[Table], file: Path) -> None:
    if tables:
        from benchmark.report.excel import workbook  # openpyxl is half of the start-up time of a run with nothing to do

        with atomic(file) as temporary:
            temporary.write_bytes(workbook(tables))
    else:
        file.unlink(missing_ok=True)
