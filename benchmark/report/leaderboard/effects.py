"""Table of the effect of a method over networks, and the difference in each network."""

from functools import partial

from benchmark.records.record import Record
from benchmark.report.columns import TableColumn, tabulated
from benchmark.report.entries.aggregate import Leaderboard
from benchmark.report.entries.entry import BETTER, worse_by
from benchmark.report.leaderboard.entry_columns import VERDICTS, with_runs
from benchmark.report.table import NOTHING, Table

ABOUT = (
    "The difference of two methods within a network, averaged over the networks that have both methods and two "
    "training runs or more (`networks`: how many have the method). The networks are fixed: the table covers new "
    "runs of these networks and new patients, not other networks. `may be the best`: no "
    "other method is significantly better (5 %, Holm over the comparisons of the row). `worse by`: how much better "
    "the method named under `than` is. `in …`: the same difference in each network. The mean may hide opposite "
    "signs."
)


def table(leaderboard: Leaderboard) -> Table | None:
    """Return a row per method, best first, or None if no two networks have two methods in common."""
    rows = leaderboard.effects
    if not rows:
        return None
    names = dict.fromkeys(f for r in rows for m, f in r.names() if m.startswith(BETTER) and f != "mean")
    columns = [
        TableColumn("method", lambda r: r.method),
        TableColumn("networks", _networks),
        *VERDICTS,
        *(TableColumn(f"in {name}", partial(_in_network, name)) for name in names),
    ]
    filled = tabulated(f"{leaderboard.dataset}: effect of a method over networks", ABOUT, columns, rows)
    return with_runs(filled, rows)


def _networks(record: Record) -> str:
    score = record.find("networks")
    return NOTHING if score is None else f"{score.value:.0f}"


def _in_network(name: str, record: Record) -> str:
    score = worse_by(record, name)[1]
    return NOTHING if score is None or score.value is None else f"{score.value:+.3f}"
