"""Compare a run with the published results of its suite: both scores of each row."""

from collections.abc import Sequence

from benchmark.records.provenance import why_other
from benchmark.records.record import Record
from benchmark.report import select
from benchmark.report.table import Table, as_text, difference, with_interval
from core.names import MAIN

HEADER = ("backbone", "pooling", "seed", "method", f"{MAIN} published [95%]", "yours [95%]", "difference")


def side_by_side(records: Sequence[Record], published: Sequence[Record]) -> str:
    """Return the table for a terminal and one sentence; empty if no cell of ``records`` is published."""
    published_by_key = {record.key: record for record in published}
    rows = [r for name in select.datasets(records) for r in select.main_records(records, name) if r.source == "run"]
    pairs = [(published_by_key[row.key], row) for row in rows if row.key in published_by_key]
    if not pairs:
        return ""
    table = Table("Published scores and yours", "", HEADER, tuple(_row(*pair) for pair in pairs))
    return "\n".join([as_text(table), *dict.fromkeys(why_other(*pair) for pair in pairs)])


def _row(published: Record, here: Record) -> tuple[str, ...]:
    values = (with_interval(select.main_score(record)) for record in (published, here))
    names = here.cell.backbone, here.cell.global_pool, str(here.cell.seed), here.method
    return (*names, *values, difference(select.main_value(here), select.main_value(published)))
