"""What the conventional placement of the map costs."""

from collections.abc import Sequence

from benchmark.records.record import Record
from benchmark.report import select
from benchmark.report.columns import WORDS, Column, count, score, tabulated
from benchmark.report.rests import rests_on
from benchmark.report.table import NOTHING, Table, with_interval

THRESHOLDS = "cross-fitted by patient, per finding, each alignment for itself"


def alignment(records: Sequence[Record], dataset: str) -> Table | None:
    """The main column aligned and conventional, side by side; None where no method was scored both ways."""
    every = select.of(records, dataset, select.BOARD)
    conventional = {_placed(r): r for r in every if r.cell.alignment == "conventional"}
    pairs = [r for r in every if r.cell.alignment == "aligned" and _placed(r) in conventional]
    if not pairs:
        return None

    def change(record: Record) -> str:
        values = [select.main_value(r) for r in (record, conventional[_placed(record)])]
        return NOTHING if None in values else f"{values[0] - values[1]:+.3f}"  # type: ignore[operator]

    columns = [
        *WORDS,
        score(select.MAIN, "cross-fitted", "aligned", with_interval),
        Column("conventional", lambda r: with_interval(select.main_score(conventional[_placed(r)]))),
        Column("aligned − conventional", change),
        count(select.MAIN, "cross-fitted"),
    ]
    both = [*pairs, *(conventional[_placed(r)] for r in pairs)]
    return tabulated(f"{dataset}: alignment ({select.MAIN})", rests_on(both, THRESHOLDS), columns, pairs)


def _placed(record: Record) -> tuple[object, ...]:
    return (select.model_of(record), record.cell.method)
