"""Details of the main column: by finding, training run, origin of the threshold, and alignment."""

from dataclasses import replace
from functools import partial

from benchmark.records.record import Record
from benchmark.report import select
from benchmark.report.basis import basis_lines
from benchmark.report.columns import NAMES, TableColumn, count, score, tabulated, with_common_n
from benchmark.report.entries import ranking
from benchmark.report.entries.aggregate import Leaderboard
from benchmark.report.leaderboard.layout import ORIGINS, SHARED, origins
from benchmark.report.leaderboard.main_table import INTERVALS, THRESHOLDS
from benchmark.report.table import NOTHING, Table, with_interval
from core.names import MAIN, MAIN_PROTOCOL

ONE_NETWORK = "Each row is one training run. Its interval covers new patients only."
EACH_ALIGNMENT = "cross-fitted by patient, per finding, separately for each alignment"
ALIGNMENT_ABOUT = (
    "Both placements are the same on a centred grid (the small CNN). Each interval is that of its column. The suite "
    "`alignment` has paired intervals of the difference."
)


def per_finding(leaderboard: Leaderboard) -> Table:
    """Return the main column by finding.

    The number of cases is in the header if all rows agree, else in the cells. Intervals cover one training run.
    """
    rows = [entry.mean for entry in leaderboard.entries]
    findings = dict.fromkeys(finding for r in rows for _, finding in r.names(MAIN))
    columns = [with_common_n(f, partial(select.main_score, finding=f), rows, with_interval) for f in findings]
    intro = f"{basis_lines(leaderboard.runs(), THRESHOLDS)}\n{INTERVALS}"
    return tabulated(f"{leaderboard.dataset}: {MAIN} per finding", intro, [*NAMES, *columns], rows)


def by_threshold(leaderboard: Leaderboard) -> Table:
    """Return the main column for each origin of the score threshold, and the optimism of the oracle.

    The oracle threshold is chosen on the test annotations: an upper bound, never a result.
    """
    rows = [entry.mean for entry in leaderboard.entries]
    intro = f"{basis_lines(leaderboard.runs(), ORIGINS)}\n{SHARED}"
    return tabulated(f"{leaderboard.dataset}: thresholds ({MAIN})", intro, [*NAMES, *origins(MAIN)], rows)


def one_by_one(leaderboard: Leaderboard) -> Table:
    """Return a row per training run, best entry first: the spread between seeds. The main table has the means.

    Only entries with several training runs are included.
    """
    rows = [run for entry in ranking.ranked(leaderboard.entries) if len(entry.runs) > 1 for run in entry.runs]
    columns = [
        *(replace(column, kind="model") if column.heading == "seed" else column for column in NAMES),
        score(MAIN, "cross-fitted", f"{MAIN} [95 % of this network]", with_interval),
        score("pointing", formatter=with_interval),
        count(MAIN, "cross-fitted"),
    ]
    intro = f"{basis_lines(rows, THRESHOLDS)}\n{INTERVALS}\n{ONE_NETWORK}"
    return tabulated(f"{leaderboard.dataset}: individual training runs", intro, columns, rows)


def alignment(leaderboard: Leaderboard) -> Table:
    """Return the main column of the methods that were scored with both placements, side by side.

    The difference has no interval here: the check ``alignment`` pairs the two by patient.
    """
    rows = select.of_protocol(leaderboard.records, leaderboard.dataset, MAIN_PROTOCOL)
    conventional = {select.row_key(r): r for r in rows if r.cell.alignment == "conventional"}
    pairs = [r for r in rows if r.cell.alignment == "aligned" and select.row_key(r) in conventional]

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
    intro = f"{basis_lines(both, EACH_ALIGNMENT)}\n{ALIGNMENT_ABOUT}"
    return tabulated(f"{leaderboard.dataset}: alignment ({MAIN})", intro, columns, pairs)
