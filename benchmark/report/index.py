"""``results/README.md``: each suite with its best method, its cells and its files."""

from collections.abc import Sequence
from pathlib import Path

from benchmark import records
from benchmark.records import Record
from benchmark.report import ranking, select
from benchmark.report.entries import collapsed
from benchmark.report.page import GENERATED
from benchmark.report.table import NOTHING, Table, markdown, number
from core.files import write_text
from core.names import CENTER, MAIN, MAIN_PROTOCOL, PRIOR

HEADER = ("suite", "data", "best method", MAIN, PRIOR, CENTER, "n cells", "not available", "failed", "files")
KINDS = ("md", "csv", "tex")


def index(folder: Path | str) -> Path:
    """Write ``README.md`` of the results ``folder``; its path."""
    folder = Path(folder)
    rows = tuple(map(_suite, records.suites(folder)))
    table = Table("Suites", "Each suite's page says what its numbers rest on.", HEADER, rows)
    write_text(folder / "README.md", f"# Results\n\n{GENERATED}\n\n{markdown(table)}")
    return folder / "README.md"


def _suite(folder: Path) -> tuple[str, ...]:
    runs = [record for record in records.load_metric(folder, MAIN) if record.source == "run"]
    rows = collapsed(select.one_alignment(select.scored(runs, MAIN_PROTOCOL)))
    best = ranking.best(rows)
    files = ", ".join(f"[{kind}]({folder.name}/leaderboard.{kind})" for kind in KINDS)
    return (
        folder.name,
        ", ".join(select.datasets(runs)),
        NOTHING if best is None else f"{best.cell.method} ({best.cell.backbone}, {best.cell.global_pool})",
        number(None if best is None else select.main_value(best)),
        *(number(_best(rows, word)) for word in (PRIOR, CENTER)),
        str(len(runs)),
        *(str(sum(r.status == status for r in runs)) for status in ("n/a", "failed")),
        f"{files}, [records]({folder.name}/records.parquet)",
    )


def _best(rows: Sequence[Record], method: str) -> float | None:
    """The highest main column of a method over all networks."""
    return max(select.known(select.main_score(row) for row in rows if row.cell.method == method), default=None)
