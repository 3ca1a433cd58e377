"""A run of a suite beside what is published of it: the main column row by row, and why the two may differ."""

from collections.abc import Sequence

from benchmark.records.provenance import why_other
from benchmark.records.record import Record
from benchmark.report import select
from benchmark.report.table import NOTHING, Table, as_text, with_interval
from core.names import MAIN

HEADER = ("backbone", "pooling", "seed", "method", f"{MAIN} published [95 %]", "here [95 %]", "difference")


def text(records: Sequence[Record], published: Sequence[Record]) -> str:
    """The table for a terminal and one sentence; nothing where no cell of ``records`` is published."""
    known = {record.key: record for record in published}
    rows = [
        r
        for name in select.datasets(records)
        for r in select.board(records, name)
        if r.key in known and r.source == "run"
    ]
    pairs = [(known[row.key], row) for row in rows]
    if not pairs:
        return ""
    table = Table("Published and here", "", HEADER, tuple(_row(*pair) for pair in pairs))
    return "\n".join([as_text(table), *dict.fromkeys(why_other(*pair) for pair in pairs)])


def _row(published: Record, here: Record) -> tuple[str, ...]:
    one, other = select.main_value(published), select.main_value(here)
    difference = NOTHING if one is None or other is None else f"{other - one:+.3f}"
    cell = here.cell
    values = (with_interval(select.main_score(record)) for record in (published, here))
    return (cell.backbone, cell.global_pool, str(cell.seed), here.method, *values, difference)
