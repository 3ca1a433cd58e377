"""Table of the main column within groups of cases."""

from collections.abc import Sequence
from functools import partial

from benchmark.records.record import Record
from benchmark.report import select
from benchmark.report.basis import basis_lines
from benchmark.report.columns import NAMES, tabulated, with_common_n
from benchmark.report.entries import ranking
from benchmark.report.entries.aggregate import Leaderboard
from benchmark.report.leaderboard.main_table import THRESHOLDS
from benchmark.report.table import Table
from core.names import CENTER, MAIN, PRIOR
from core.scores import Score

ABOUT = (
    "Rows: the best method of each network over all cases, then prior and center. Other methods may be as good, and "
    "the scores are slightly too high because the method was selected. `records.parquet` has all methods, with "
    "intervals and by finding (columns `variable`, `group`). Thresholds are those of the main table, not chosen "
    "again within a group. size: share of the image covered by the largest box. company: number of findings in the "
    "image. answer: whether the classifier detected the finding. Scores are means over the findings of the group, so "
    "two groups may differ because their findings differ."
)


def strata(leaderboard: Leaderboard) -> Table:
    """Return the main column in groups of cases, such as box size, view, sex and age.

    Rows are the best method of each network, then ``prior`` and ``center``. Headings or cells contain n.
    """
    scored = [r for r in leaderboard.runs() if r.strata]
    rows = worth_reading(scored)
    groups = dict.fromkeys((s.variable, s.group) for r in scored for s in r.strata)
    columns = [with_common_n(": ".join(name), partial(within, name), rows) for name in groups]
    intro = f"{basis_lines(rows, THRESHOLDS)}\n{ABOUT}"
    return tabulated(f"{leaderboard.dataset}: {MAIN} in strata", intro, [*NAMES, *columns], rows)


def worth_reading(records: Sequence[Record]) -> list[Record]:
    """Return the best method of each model, best model first, then ``prior`` and ``center`` of the best model."""
    models = select.by_model(records)
    winners = ranking.ranked([winner for group in models if (winner := ranking.best(group)) is not None])
    first = next((group for group in models if winners and winners[0] in group), list(records))
    return [*winners, *(r for method in (PRIOR, CENTER) for r in first if r.cell.method == method)]


def within(name: tuple[str, str], record: Record) -> Score | None:
    """Return the main column of a record in one group of cases; ``name``: variable and group."""
    strata = (s for s in record.strata if (s.variable, s.group) == name)
    scores = (score for stratum in strata for score in stratum.scores)
    wanted = (MAIN, "mean", "cross-fitted")
    return next((s for s in scores if (s.metric, s.finding, s.threshold_origin) == wanted), None)
