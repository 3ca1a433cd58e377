"""Generates what stands in ``results/``: pure functions of records, the same bytes every time."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.records import Record, load
from benchmark.report import leaderboard, protocols, select
from benchmark.report.long import long
from benchmark.report.missing import missing
from benchmark.report.table import Table, latex, markdown, number, plain
from core.files import atomic, write_text

GENERATED = "<!-- Generated from the records by `python -m benchmark.run`: do not edit. -->"


def write(folder: Path | str, title: str = "", about: str = "") -> None:
    """``leaderboard.md``, ``.csv``, ``.tex`` and, where the seed protocol ran, ``seed.xlsx`` from ``folder/records``.

    ``title`` and ``about`` are the suite's own words above the tables. Raises ``core.errors.DataError`` for a broken
    record; nothing is written then.
    """
    folder = Path(folder)
    records = load(folder)
    write_text(folder / "leaderboard.csv", long(records))
    write_text(folder / "leaderboard.md", page(records, title or folder.name, about))
    write_text(folder / "leaderboard.tex", "\n".join(map(latex, _main(records))))
    if seed := [t for name in select.datasets(records) for t in protocols.seed(records, name) if t.rows]:
        from benchmark.report.excel import workbook  # openpyxl is half of the start-up time of a run with nothing to do

        with atomic(folder / "seed.xlsx") as temporary:
            temporary.write_bytes(workbook(seed))


def headline(folder: Path | str) -> str:
    """The main tables of a suite in a few columns, for a terminal; the reasons where nothing was scored."""
    records = load(folder)
    shown = [leaderboard.short(records, name, part) for name in select.datasets(records) for part in (None, *select.parts(records, name))]
    gaps = missing(records)
    return "\n".join(map(plain, filter(None, [*shown, gaps])))


def page(records: Sequence[Record], title: str, about: str = "") -> str:
    """The text of ``leaderboard.md``: per data set the main table first, at last the cells without a number."""
    tables = [table for name in select.datasets(records) for table in _of(records, name)]
    gaps = missing(records)
    sections = [f"# {title}", GENERATED, *([about] if about else []), *map(markdown, [*tables, *([gaps] if gaps else [])])]
    return "\n\n".join(section.strip() for section in sections) + "\n"


def index(folder: Path | str) -> Path:
    """Write ``README.md`` of the results folder: each suite with its best method, its cells and its files."""
    folder = Path(folder)
    suites = sorted(path.parent for path in folder.glob("*/records") if path.is_dir())
    header = ("suite", "data", "best method", select.MAIN, "prior", "center", "n cells", "not available", "failed", "files")
    table = Table("Suites", "Each suite's page says what its numbers rest on.", header, tuple(_suite(suite) for suite in suites))
    write_text(folder / "README.md", f"# Results\n\n{GENERATED}\n\n{markdown(table)}")
    return folder / "README.md"


def _main(records: Sequence[Record]) -> list[Table]:
    return [table for name in select.datasets(records) for table in _boards(records, name)]


def _boards(records: Sequence[Record], dataset: str) -> list[Table]:
    """The main table on all images, then that of the slow methods on theirs."""
    found = [leaderboard.main(records, dataset, part) for part in (None, *select.parts(records, dataset))]
    return [table for table in found if table is not None]


def _of(records: Sequence[Record], dataset: str) -> list[Table]:
    first = [*_boards(records, dataset), leaderboard.per_finding(records, dataset)]
    named = [part(records, dataset) for part in (protocols.alignment, protocols.wang, protocols.seed, protocols.pointing)]
    return [table for table in (*first, *(t for part in named for t in part)) if table is not None and table.rows]


def _suite(folder: Path) -> tuple[str, ...]:
    records = load(folder)
    rows = select.ranked(select.once(select.scored(records, "locus")))
    best = next((r for r, rank in zip(rows, select.ranks(rows), strict=True) if rank == "1"), None)
    name = "–" if best is None else f"{best.cell.method} ({best.cell.backbone}, {best.cell.global_pool})"
    value = "–" if best is None else number(select.main_value(best))
    counts = [str(sum(r.status == status for r in records)) for status in ("n/a", "failed")]
    files = ", ".join(f"[{kind}]({folder.name}/leaderboard.{kind})" for kind in ("md", "csv", "tex"))
    return (
        folder.name,
        ", ".join(select.datasets(records)),
        name,
        value,
        *(number(_best(rows, word)) for word in ("prior", "center")),
        str(len(records)),
        *counts,
        f"{files}, [records]({folder.name}/records)",
    )


def _best(rows: Sequence[Record], method: str) -> float | None:
    """The highest main column of a method over all models."""
    values = [select.main_value(row) for row in rows if row.cell.method == method]
    return max((value for value in values if value is not None), default=None)
