"""Table of the effect of a method over networks, and the difference in each network."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from benchmark.records.record import Record
from benchmark.report.columns import TableColumn, tabulated
from benchmark.report.comparisons.networks import BEHIND
from benchmark.report.leaderboard.entries import BETTER, EFFECT, compared
from benchmark.report.leaderboard.entry_columns import verdict_columns, worse_by
from benchmark.report.table import NOTHING, Table

ABOUT = (
    "The difference of two methods within a network, averaged over the networks that have both methods and two "
    "training runs or more (`networks`: how many have the method). The networks are fixed: the table covers new "
    "runs of these networks and new patients, not other networks. `may be the best`: no "
    "other method is significantly better (5 %, Holm over the comparisons of the row). `worse by`: how much better "
    "the method named under `than` is. `in …`: the same difference in each network. The mean may hide opposite "
    "signs."
)


def table(records: Sequence[Record], dataset: str) -> Table | None:
    """Return a row per method, best first, or None if no two networks have two methods in common."""
    rows = compared(records, dataset, EFFECT)
    if not rows:
        return None
    names = dict.fromkeys(f for r in rows for m, f in r.names() if m.startswith(BETTER) and f != "mean")
    columns = [
        TableColumn("method", lambda r: r.method),
        TableColumn("networks", _networks),
        *verdict_columns(lambda r: r),
        *(TableColumn(f"in {name}", partial(_in_network, name)) for name in names),
    ]
    return replace(
        tabulated(f"{dataset}: effect of a method over networks", ABOUT, columns, rows),
        keys=tuple(tuple(r.data[BEHIND]) for r in rows),
    )


def _networks(record: Record) -> str:
    score = record.find("networks")
    return NOTHING if score is None else f"{score.value:.0f}"


def _in_network(name: str, record: Record) -> str:
    score = worse_by(record, name)[1]
    return NOTHING if score is None or score.value is None else f"{score.value:+.3f}"
