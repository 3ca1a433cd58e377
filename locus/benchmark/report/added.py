"""What maps add to ``prior``: rows, table and chart of the protocol ``added``.

``rows``   a row per network and method, with its difference from ``prior`` and whether that is significant
``table``, ``chart``   what a page shows of them
``cell``   the cell of a row in the first table
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from locus.benchmark.records import Record
from locus.benchmark.report import charts, comparisons, grouping
from locus.benchmark.report.charts import Chart
from locus.benchmark.report.grouping import Interval, Row, by_network
from locus.benchmark.report.table import NOTHING, Table, TableColumn, short, signed_interval, tabulated
from locus.benchmark.scoring.rechosen import as_jackknife
from locus.benchmark.scoring.statistics import mrmc
from locus.benchmark.scoring.statistics.mrmc import MrmcEstimate
from locus.core.names import ADDED, PRIOR, UPPER_BOUND_AND_PEOPLE

if TYPE_CHECKING:
    from locus.benchmark.report.leaderboard import Leaderboard

ALONE, COMBINED, WEIGHT = "alone", "combined", "weight"
ADDS, NOT_SIGNIFICANT = "adds", "n.s."
ABOUT = (
    "`combined`: share of cases hit at IoU > .3 by the box of a weighted mean of the map and of `prior`. `added`: the "
    "same minus the share that `prior` hits alone. `weight`: that of the map. Both are chosen on other patients. "
    f"`{NOT_SIGNIFICANT}`: not significantly above 0, after Holm's correction over the methods of a network. Baselines "
    "are not corrected. It is no weakly supervised score, since the boxes of other patients are known."
)


def rows(records: Sequence[Record], dataset: str, is_primary: Callable[[Row], bool] | None = None) -> list[Row]:
    """Return a row per network and method that ``added`` scored, best first, methods before baselines.

    The difference from ``prior`` is in ``over_baselines``, with Holm's correction over the methods of a network;
    ``is_primary``: whether a row is tested before the others.
    """
    groups = grouping.trainings(grouping.of_protocol(records, dataset, ADDED))
    scored = grouping.told_apart([_row(group) for group in groups])
    compared = [_compared(group) for group in by_network(scored).values()]
    if is_primary is not None:
        compared = comparisons.primary_first(compared, is_primary)
    return [row for group in compared for row in sorted(group, key=_place)]


def _row(runs: Sequence[Record]) -> Row:
    """Return the row of the ``runs``: means over findings, then over training runs."""
    row = Row.of(runs)
    scores = {name: Interval(row.value(name)) for name in (ALONE, COMBINED, ADDED, WEIGHT)}
    return replace(row, scores=scores)


def _place(row: Row) -> tuple[bool, float, str]:
    value = row.share(ADDED)
    return not row.is_method, 1.0 if value is None else -value, row.name


def _compared(group: Sequence[Row]) -> list[Row]:
    """Return the rows of a network with their intervals and p-values."""
    found = {row: estimate for row in group if (estimate := _estimate(row)) is not None}
    tested = [row for row in found if row.is_method]
    gaps = comparisons.adjusted({row: {PRIOR: estimate} for row, estimate in found.items()}, tested)
    return [_with_interval(row, found.get(row), gaps.get(row, ())) for row in group]


def _with_interval(row: Row, estimate: MrmcEstimate | None, gaps: tuple[grouping.Comparison, ...]) -> Row:
    if estimate is None:
        return row
    n = row.find(ADDED)
    interval = Interval(estimate.value, estimate.low, estimate.high, 0 if n is None else n.n)
    return replace(row, scores={**row.scores, ADDED: interval}, over_baselines=gaps)


def _estimate(row: Row) -> MrmcEstimate | None:
    """Return the difference from ``prior`` over training runs and patients; None without resamples or few patients.

    A resample of patients chooses the weight and the thresholds again, unless another suite chose them.
    """
    scores = [record.find(ADDED) for record in row.runs]
    theta = [score.value for score in scores if score is not None and score.value is not None and score.low is not None]
    if len(theta) < len(row.runs) or len({len(record.resampled) for record in row.runs}) > 1:
        return None
    resampled = as_jackknife(np.array([record.resampled for record in row.runs]))
    compare = mrmc.difference if len(theta) > 1 else mrmc.difference_nested
    return compare((theta, resampled), (np.zeros(len(theta)), np.zeros_like(resampled)))


def is_tested(row: Row) -> bool:
    """Whether a row can add something: not one that sees the truth."""
    return row.cell.method not in UPPER_BOUND_AND_PEOPLE


def verdict(row: Row) -> str:
    """Return ``adds`` or ``n.s.``; a dash without an interval and for a row that sees the truth."""
    if row.above_baselines is None or not is_tested(row):
        return NOTHING
    return ADDS if row.above_baselines else NOT_SIGNIFICANT


def cell(row: Row | None) -> str:
    """Return the cell of the first table: the difference from ``prior`` with its interval, and ``n.s.``."""
    if row is None or row.share(ADDED) is None:
        return NOTHING
    mark = f" {NOT_SIGNIFICANT}" if verdict(row) == NOT_SIGNIFICANT else ""
    return f"{signed_interval(row.scores[ADDED])}{mark}"


def table(board: "Leaderboard", complete: bool = True) -> Table:
    """Return the table: all rows, or if not ``complete`` those of the network with the best row."""
    shown = board.added if complete else best_network(board.added)
    columns = (
        TableColumn("network", lambda row: row.network if row.has_network else NOTHING, "network"),
        TableColumn("method", lambda row: row.name),
        *(TableColumn(name, lambda row, name=name: short(row.share(name))) for name in (ALONE, COMBINED)),  # type: ignore[misc]
        TableColumn(ADDED, lambda row: signed_interval(row.scores[ADDED]), "interval"),
        TableColumn(WEIGHT, lambda row: short(row.share(WEIGHT))),
        TableColumn("verdict", verdict),
    )
    rest = len(board.added) - len(shown)
    made = tabulated(f"{board.title}: what maps add to prior", ABOUT, columns, shown)
    return replace(made, footnote=f"{rest} rows of other networks are on the page." if rest else "")


def best_network(of_board: Sequence[Row]) -> list[Row]:
    """Return the rows of the network whose method adds most."""
    methods = [row for row in of_board if row.is_method] or [*of_board]
    if not methods:
        return []
    first = min(methods, key=_place)
    return by_network(of_board)[first.key_of_network]


def chart(board: "Leaderboard") -> Chart | None:
    """Draw an arrow per row of one network, from the hits of the map alone to those with ``prior``; None without rows.

    The rows are those of the network with the best row.
    """
    shown = [row for row in best_network(board.added) if is_tested(row) and row.share(ADDED) is not None]
    if not shown:
        return None
    arrows = [(row.name, row.share(ALONE) or 0.0, row.share(COMBINED) or 0.0, verdict(row) == ADDS) for row in shown]
    level = (shown[0].share(COMBINED) or 0.0) - (shown[0].share(ADDED) or 0.0)
    about = (
        f"{board.dataset}, {shown[0].network}: share of cases hit by the map alone (start) and with `prior` (end "
        f"of the arrow). Blue: significantly more than `prior` alone (line, {short(level)})."
    )
    return charts.arrows(arrows, level, "share of cases hit, IoU > .3", about)
