"""``results/index.html`` and ``README.md``: each suite with its first row, cells and files; ``transfer.md``."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from benchmark import records
from benchmark.records import Record
from benchmark.report import select
from benchmark.report.comparisons.agreement import AGREEMENT
from benchmark.report.html.glossary import WORDS
from benchmark.report.html.render import render
from benchmark.report.html.suite import PAGE
from benchmark.report.html.views import view
from benchmark.report.html.words import baseline_of
from benchmark.report.leaderboard import ranking
from benchmark.report.leaderboard.entries import ENTRY, mean_records
from benchmark.report.leaderboard.entry_columns import is_single
from benchmark.report.page import COMMITTED_PAGES, GENERATED
from benchmark.report.table import NOTHING, Table, markdown, number
from benchmark.report.transfer.page import write as write_transfer
from benchmark.statistics.bootstrap import BLAS
from core.files import write_text
from core.names import CENTER, MAIN, MAIN_PROTOCOL, PAIRED, PRIOR

HEADER = ("suite", "what it asks", "data", "first row", MAIN, PRIOR, CENTER, "n cells", "not available", "failed")
FORMATS = ("md", "csv", "tex")


@BLAS.wrap(limits=1, user_api="blas")  # as tables.write
def index(folder: Path | str, known: Mapping[Path, Sequence[Record]] = MappingProxyType({})) -> Path:
    """Write ``README.md`` and ``index.html`` of the results ``folder``; the path of the latter.

    ``known``: the records of those suites' folders that are read already. ``transfer.md``, too, where it has the suites
    for it. Raises ``DataError`` for a broken record.
    """
    folder = Path(folder)
    suites = {suite: _runs(known.get(suite) or records.load_metric(suite, MAIN)) for suite in records.suites(folder)}
    rows = tuple(_suite(*suite) for suite in suites.items())
    about = (
        "First row: the highest score above its baselines, beside those of its network. Each suite's page says which "
        "rows are tied with it, and what the numbers rest on; one that is not there yet is written by "
        "`python -m benchmark.run --suite NAME`."
    )
    if page := write_transfer(folder, {suite.name: runs for suite, runs in suites.items()}):
        about += f" Does the phantom predict real images? [{page.name}]({page.name})"
    linked = tuple((*row, _files(row[0])) for row in rows)
    table = Table("Suites", about, (*HEADER, "files"), linked)
    write_text(folder / "README.md", f"# Results\n\n{GENERATED}\n\n{markdown(table)}")
    suites_view, link = view(Table("Suites", "", HEADER, rows), {}), page.name if page else ""
    write_text(
        folder / PAGE, render("index.html", suites=suites_view, committed=COMMITTED_PAGES, words=WORDS, transfer=link)
    )
    return folder / PAGE


def _files(suite: str) -> str:
    files = ", ".join(f"[{kind}]({suite}/leaderboard.{kind})" for kind in FORMATS)
    page = f"[page]({suite}/{PAGE}), " * (suite in COMMITTED_PAGES)
    return f"{page}{files}, [records]({suite}/records.parquet)"


def _runs(records: Sequence[Record]) -> list[Record]:
    return [r for r in records if r.source == "run" and r.cell.protocol not in (ENTRY, AGREEMENT, PAIRED)]


def _suite(folder: Path, runs: Sequence[Record]) -> tuple[str, ...]:
    rows = mean_records(select.one_alignment(select.scored(runs, MAIN_PROTOCOL)))
    best = ranking.best(row for row in rows if not ranking.beaten_by(row, rows))
    beside = [None if best is None else baseline_of(best, rows, word) for word in (PRIOR, CENTER)]
    scores = (number(None if row is None else select.main_value(row)) for row in (best, *beside))
    gaps = (str(sum(r.status == status for r in runs)) for status in ("n/a", "failed"))
    names = (folder.name, _title(folder / "leaderboard.md"), ", ".join(select.datasets(runs)))
    return (*names, NOTHING if best is None else _name(best) + _tied(folder, best), *scores, str(len(runs)), *gaps)


def _name(row: Record) -> str:
    trainings = ", 1 training" * is_single(row)
    return f"{row.cell.method} ({row.cell.backbone}, {row.cell.global_pool}{trainings})"


def _tied(folder: Path, first: Record) -> str:
    """How many other rows have the first rank in ``leaderboard.csv``."""
    if not (file := folder / "leaderboard.csv").is_file():
        return ""
    with file.open(newline="", encoding="utf-8") as lines:
        ranked = [row for row in csv.DictReader(lines) if row["dataset"] == first.cell.dataset and not row["images"]]
    others = sum(row.get("rank") == "1" for row in ranked) - 1
    return f" and {others} tied with it" if others > 0 else ""


def _title(page: Path) -> str:
    """A suite's title, which stands on top of its page."""
    lines = page.read_text(encoding="utf-8").splitlines() if page.is_file() else []
    return lines[0].removeprefix("# ") if lines else NOTHING
