"""Comparison of a run with the published results of its suite, and why they may differ."""

from collections.abc import Sequence

from benchmark.records.provenance import why_other
from benchmark.records.record import Record
from benchmark.report import select
from benchmark.report.table import NOTHING, Table, as_text, with_interval
from core.names import MAIN

HEADER = ("backbone", "pooling", "seed", "method", f"{MAIN} published [95 %]", "here [95 %]", "difference")


def text(records: Sequence[Record], published: Sequence[Record]) -> str:
    """Return the table for a terminal and one sentence; empty if no cell of ``records`` is published."""
    published_by_key = {record.key: record for record in published}
    rows = [
        r
        for name in select.datasets(records)
        for r in select.board(records, name)
        if r.key in published_by_key and r.source == "run"
    ]
    pairs = [(published_by_key[row.key], row) for row in rows]
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
