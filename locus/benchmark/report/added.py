"""What maps add to ``prior``: table and chart of the protocol ``added``, and the cell of a row in the first table.

The rows are computed in ``comparisons.added``.
"""

from collections.abc import Sequence
from dataclasses import replace

from locus.benchmark.baselines import is_reference
from locus.benchmark.report import charts
from locus.benchmark.report.charts import Arrow, Chart
from locus.benchmark.report.comparisons import added_place
from locus.benchmark.report.formats import NOTHING, number
from locus.benchmark.report.grouping import Row, by_network, counted, listed
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.table import NETWORK_NAME, Table, TableColumn, tabulated
from locus.core.names import ADDED, ALONE, COMBINED, PRIOR, WEIGHT

ADDS = "adds"
NOT_SIGNIFICANT = "n.s."
ABOUT = (
    "`combined`: share of cases hit at IoU > .3 by the box of a weighted mean of the map and of `prior`. `added`: the "
    "same minus the share that `prior` hits alone. `weight`: that of the map. Both are chosen on other patients. "
    f"`{NOT_SIGNIFICANT}`: not significantly above 0, after Holm's correction over the methods of a network. Baselines "
    "are not corrected. The interval of a row with one training run covers patients only; with several it covers the "
    "runs, too. It is no weakly supervised score, since the boxes of other patients are known."
)


def verdict(row: Row) -> str:
    """Return ``adds`` or ``n.s.``; a dash without an interval and for a row that sees the truth."""
    if row.above_baselines is None or is_reference(row.cell.method):
        return NOTHING
    return ADDS if row.above_baselines else NOT_SIGNIFICANT


def cell(row: Row | None) -> str:
    """Return the cell of the first table: the difference from ``prior`` with its interval."""
    if row is None or row.share(ADDED) is None:
        return NOTHING
    return number(row.scores[ADDED], sign="value")


COLUMNS = (
    NETWORK_NAME,
    TableColumn("method", lambda row: row.name),
    TableColumn("runs", lambda row: str(len(row.runs)), "varying"),
    TableColumn(ALONE, lambda row: number(row.share(ALONE))),
    TableColumn(COMBINED, lambda row: number(row.share(COMBINED))),
    TableColumn(ADDED, lambda row: cell(row), "interval"),
    TableColumn(WEIGHT, lambda row: number(row.share(WEIGHT))),
    TableColumn("verdict", verdict),
)
"""Columns of the table."""


def table(board: Leaderboard, complete: bool = True) -> Table:
    """Return the table: all rows, or if not ``complete`` those of the network with the best row."""
    rows = board.added if complete else best_network(board.added)
    added_table = tabulated(f"{board.title}: what maps add to prior", ABOUT, COLUMNS, rows)
    hidden_count = len(board.added) - len(rows)
    sentences = [left_out(board)]
    if hidden_count:
        sentences.append(f"{counted(hidden_count, 'row')} of other networks on the page.")
    return replace(added_table, footnote=" ".join(filter(None, sentences)))


def left_out(board: Leaderboard) -> str:
    """Say which findings have no score, and why; empty if all have one."""
    findings: dict[str, None] = {}
    why = "boxes of fewer than five other patients"
    for row in board.added:
        if row.cell.fitted_on is not None:
            why = f"no weight and thresholds in {row.cell.fitted_on}"
        chosen = row.runs[0].thresholds.get(row.cell.threshold_source, {})
        findings |= dict.fromkeys(name for name, numbers in chosen.items() if not numbers[WEIGHT])
    return f"{ADDED} leaves out {listed([*findings])}: {why}." if findings else ""


def best_network(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of the network whose method adds most; without methods, whose baseline does."""
    if not rows:
        return []
    first = min(rows, key=added_place)
    return by_network(rows)[first.key_of_network]


def chart(board: Leaderboard) -> Chart | None:
    """Draw an arrow per row of one network, from the hits of the map alone to those with ``prior``; None without rows.

    The rows are those of the network with the best row, without those that see the truth.
    """
    rows = [row for row in best_network(board.added) if not is_reference(row.cell.method)]
    rows = [row for row in rows if row.share(ADDED) is not None]
    if not rows:
        return None
    level = (rows[0].share(COMBINED) or 0.0) - (rows[0].share(ADDED) or 0.0)
    about = (
        f"{board.dataset}, {rows[0].network}: share of cases hit by the map alone and with `prior`. Line: `prior` "
        f"alone, {number(level)}. Numbers: what the map adds to it, with a 95% interval; blue if that is significant."
    )
    is_mixed = any(row.is_single for row in rows) and any(len(row.runs) > 1 for row in rows)
    if is_mixed:
        about += " With one run, the interval covers patients only."
    legend_names = (ALONE, COMBINED, f"{PRIOR} alone")
    arrows = [_arrow(row, is_mixed) for row in rows]
    return charts.arrows(arrows, level, legend_names, "share of cases hit, IoU > .3", about)


def _arrow(row: Row, is_mixed: bool) -> Arrow:
    """Return the arrow of a row, from the hits of its map alone to those with ``prior``.

    ``is_mixed``: whether rows with one and with several training runs are drawn; those with one are marked.
    """
    return Arrow(
        name=f"{row.name} (one run)" if is_mixed and row.is_single else row.name,
        start=row.share(ALONE) or 0.0,
        end=row.share(COMBINED) or 0.0,
        text=cell(row),
        is_marked=verdict(row) == ADDS,
    )
