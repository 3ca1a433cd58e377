"""Where a method is good and where not: the main column within groups of the cases."""

from collections.abc import Sequence
from functools import partial

from benchmark.records.record import Record
from benchmark.report import select
from benchmark.report.basis import basis_lines
from benchmark.report.columns import NAMES, tabulated, with_common_n
from benchmark.report.leaderboard import ranking
from benchmark.report.leaderboard.main_table import THRESHOLDS
from benchmark.report.table import Table
from core.names import CENTER, MAIN, PRIOR
from core.scores import Score

ABOUT = (
    "Rows: the first method of each network (others may be as good), by the same column over all cases, "
    "which flatters it a little; then prior and center. "
    "All others, with intervals and per finding, in `records.parquet` (columns `variable`, `group`). "
    "Thresholds are those of the main table, not chosen again within a group. "
    "size: the largest box's share of the image; company: how many findings the image has; answer: whether the "
    "classifier found what is there. Mean over the findings that the group has, so two groups may differ by their "
    "findings alone."
)


def strata(records: Sequence[Record], dataset: str) -> Table | None:
    """The main column in groups of cases: by size of the box, view, sex, age …; None where no record has strata.

    The first method of each network, then ``prior`` and ``center``; n stands in the heading or in the cells.
    """
    scored = [r for r in select.board(records, dataset) if r.strata]
    rows = worth_reading(scored)
    groups = dict.fromkeys((s.variable, s.group) for r in scored for s in r.strata)
    if not rows:
        return None
    columns = [with_common_n(": ".join(name), partial(within, name), rows) for name in groups]
    return tabulated(
        f"{dataset}: {MAIN} in strata", f"{basis_lines(rows, THRESHOLDS)}\n{ABOUT}", [*NAMES, *columns], rows
    )


def worth_reading(records: Sequence[Record]) -> list[Record]:
    """Per model the first method, best model first; then ``prior`` and ``center`` of that model.

    Others may be as good as the first: the text above the table says so.
    """
    models = select.by_model(records)
    winners = ranking.ranked([winner for group in models if (winner := ranking.best(group)) is not None])
    first = next((group for group in models if winners and winners[0] in group), list(records))
    return [*winners, *(r for method in (PRIOR, CENTER) for r in first if r.cell.method == method)]


def within(name: tuple[str, str], record: Record) -> Score | None:
    """The main column of a record in one group of the cases; ``name``: what groups them, and which group."""
    strata = (s for s in record.strata if (s.variable, s.group) == name)
    scores = (score for stratum in strata for score in stratum.scores)
    wanted = (MAIN, "mean", "cross-fitted")
    return next((s for s in scores if (s.metric, s.finding, s.threshold_origin) == wanted), None)
