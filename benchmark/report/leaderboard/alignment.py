"""Table of each method's score with aligned and with conventional placement, and their difference."""

from benchmark.records.record import Record
from benchmark.report import select
from benchmark.report.basis import basis_lines
from benchmark.report.columns import NAMES, TableColumn, count, score, tabulated
from benchmark.report.entries.aggregate import Leaderboard
from benchmark.report.table import NOTHING, Table, with_interval
from core.names import MAIN, MAIN_PROTOCOL

THRESHOLDS = "cross-fitted by patient, per finding, each alignment for itself"
ABOUT = (
    "A network with a centred grid (the small CNN) has no difference. Each interval covers one column only. The suite "
    "`alignment` has paired intervals of the difference."
)


def alignment(leaderboard: Leaderboard) -> Table | None:
    """Return the main column with both placements side by side, or None if no method was scored with both.

    The difference has no interval here: the check ``alignment`` pairs the two by patient.
    """
    rows = select.of_protocol(leaderboard.records, leaderboard.dataset, MAIN_PROTOCOL)
    conventional = {select.row_key(r): r for r in rows if r.cell.alignment == "conventional"}
    pairs = [r for r in rows if r.cell.alignment == "aligned" and select.row_key(r) in conventional]
    if not pairs:
        return None

    def change(record: Record) -> str:
        values = [select.main_value(r) for r in (record, conventional[select.row_key(record)])]
        return NOTHING if None in values else f"{values[0] - values[1]:+.3f}"  # type: ignore[operator]

    columns = [
        *NAMES,
        score(MAIN, "cross-fitted", "aligned", with_interval),
        TableColumn("conventional", lambda r: with_interval(select.main_score(conventional[select.row_key(r)]))),
        TableColumn("aligned − conventional", change),
        count(MAIN, "cross-fitted"),
    ]
    both = [*pairs, *(conventional[select.row_key(r)] for r in pairs)]
    intro = f"{basis_lines(both, THRESHOLDS)}\n{ABOUT}"
    return tabulated(f"{leaderboard.dataset}: alignment ({MAIN})", intro, columns, pairs)
