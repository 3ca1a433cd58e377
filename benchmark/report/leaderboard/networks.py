"""Tables of the networks of each grid, and of the effect of a method across networks."""

from functools import partial

from benchmark.records.record import Record
from benchmark.report.columns import (
    ABOVE_PRIOR,
    AUROC,
    FIRST,
    MODEL,
    SPREAD_OVER_RUNS,
    TRAININGS,
    VERDICTS,
    TableColumn,
    score,
    tabulated,
    with_runs,
)
from benchmark.report.entries import ranking
from benchmark.report.entries.aggregate import Leaderboard
from benchmark.report.entries.entry import BETTER, run_count, worse_by
from benchmark.report.entries.networks import RANK_METHODS
from benchmark.report.table import NOTHING, Table, signed, with_interval
from core.names import MAIN

ABOUT = (
    "A network is represented by its mean over a fixed list of methods: {methods}{chosen}. Only networks "
    "with the same grid are compared. `upper bound`: the score of `truth`, the best score that a map on that grid can "
    "reach. Compare networks with different grids only by their `share of upper bound`, and with care. `may be the "
    "best`: no other network with the same grid is significantly better (5%, Holm over all pairs of these networks; "
    "runs are nested in networks, and patients are shared). `worse by`: how much lower the row scores than the "
    "network under `compared with`. The text above the next table explains the interval."
)
EFFECTS_ABOUT = (
    "This table shows the difference between two methods on the same network, averaged over the networks that have "
    "both methods and at least two training runs. `networks`: number of networks with the method. The networks are "
    "fixed: intervals reflect variation between runs of these networks and between patients, not between networks. "
    "`may be the best`: no other method is significantly better (5%, Holm over the comparisons of the row). `worse "
    "by`: how much lower the row scores than the method under `compared with`; a negative value means that the row "
    "scores higher. `on …`: the difference on one network. The mean may hide differences of opposite sign."
)


CHOSEN = " (`rank_methods` of the suite)"
NO_NETWORK = "**No network is compared: none has all these methods on all images and two or more training runs.**"


COLUMNS = (
    *(column for column in MODEL if column.heading != "seed"),
    score(MAIN, heading=f"{MAIN}, mean over methods [95%]", formatter=with_interval),
    SPREAD_OVER_RUNS,
    TableColumn(TRAININGS, lambda r: str(run_count(r) or NOTHING)),
    *VERDICTS,
    ABOVE_PRIOR,
    FIRST,
    score("bound", heading="upper bound", kind="optional"),
    score("share_of_bound", heading="share of upper bound", kind="optional"),
    *AUROC,
    TableColumn("note", lambda r: "; ".join(filter(None, (r.reason, ranking.against_prior(r.find("above_prior")))))),
)


def networks(leaderboard: Leaderboard) -> Table:
    """Return a row per network, with the reason if it is not compared; empty if fewer than two have several runs."""
    rows = leaderboard.networks if sum((run_count(r) or 1) > 1 for r in leaderboard.networks) > 1 else ()
    names = rows[0].data[RANK_METHODS] if rows else ()
    about = ABOUT.format(methods=", ".join(f"`{name}`" for name in names) or "nothing", chosen=CHOSEN)
    lines = [about, *([] if any(not r.reason for r in rows) else [NO_NETWORK])]
    filled = tabulated(f"{leaderboard.dataset}: networks", "\n".join(lines), COLUMNS, rows)
    return with_runs(filled, rows)


def effects(leaderboard: Leaderboard) -> Table:
    """Return a row per method, best first; empty if no two networks have two methods in common."""
    rows = leaderboard.effects
    names = dict.fromkeys(f for r in rows for m, f in r.names() if m.startswith(BETTER) and f != "mean")
    columns = [
        TableColumn("method", lambda r: r.method),
        score("networks", formatter=lambda total: NOTHING if total is None else f"{total.value:.0f}"),
        *VERDICTS,
        *(TableColumn(f"on {name}", partial(_worse_in, name)) for name in names),
    ]
    filled = tabulated(f"{leaderboard.dataset}: effect of a method across networks", EFFECTS_ABOUT, columns, rows)
    return with_runs(filled, rows)


def _worse_in(network: str, row: Record) -> str:
    return signed(worse_by(row, network)[1])
