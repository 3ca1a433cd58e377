"""Table of the networks of each grid, with the reason for each network that cannot be compared."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from benchmark.records.record import Record
from benchmark.report import select
from benchmark.report.columns import MODEL, TableColumn, scored, tabulated
from benchmark.report.comparisons.networks import BEHIND, RANK_METHODS
from benchmark.report.leaderboard import entries, ranking
from benchmark.report.leaderboard.entries import NETWORK, mean_records, recipe_of
from benchmark.report.leaderboard.entry_columns import verdict_columns
from benchmark.report.table import NOTHING, Table, number, share, signed, with_interval, with_n
from core.names import CLASSIFICATION, MAIN
from core.scores import Score

ABOUT = (
    "A network is represented by its mean over {methods}, the same for all networks{chosen}. Only networks "
    "of the same grid are compared. `upper bound`: the score of `truth`, the best score that a map on that grid can "
    "reach. Compare networks of different grids by their `share of bound` only, and with care. `may be the best`: no "
    "other network of the grid is significantly better (5 %, Holm over all pairs of the grid; runs are nested in "
    "networks, patients shared). `worse by`: how much better the network named under `than` is. Interval, `sd over "
    "runs` and `P(best)` as in the next table."
)
CHOSEN = " (`rank_methods` of the suite)"
NO_NETWORK = "**No networks are compared: none has all these methods on all images and two training runs or more.**"


def compared(records: Sequence[Record], dataset: str) -> list[Record]:
    """Return the networks of a data set that are compared with another one, best first within each grid."""
    return [r for r in of_dataset(records, dataset) if r.find("may_be_best") is not None]


def of_dataset(records: Sequence[Record], dataset: str) -> list[Record]:
    """Return the record of each network, in the order of the table."""
    return entries.compared(records, dataset, NETWORK)


def table(records: Sequence[Record], dataset: str) -> Table | None:
    """Return a row per network, or None if fewer than two networks have several training runs."""
    rows = of_dataset(records, dataset)
    if sum((trainings(r) or 1) > 1 for r in rows) < 2:
        return None
    names = rows[0].data[RANK_METHODS]
    about = ABOUT.format(methods=", ".join(f"`{name}`" for name in names) or "nothing", chosen=CHOSEN)
    lines = [about, *([] if any(not r.reason for r in rows) else [NO_NETWORK])]
    return replace(
        tabulated(f"{dataset}: networks", "\n".join(lines), _columns(records), rows),
        keys=tuple(tuple(r.data[BEHIND]) for r in rows),
    )


def trainings(record: Record) -> int | None:
    """Return the number of training runs of a network."""
    score = record.find("trainings")
    return None if score is None or score.value is None else int(score.value)


def _columns(records: Sequence[Record]) -> list[TableColumn]:
    classifiers = {recipe_of(r): r for r in mean_records(select.scored(records, CLASSIFICATION))}

    def auroc(metric: str) -> Callable[[Record], Score | None]:
        return lambda record: None if (r := classifiers.get(recipe_of(record))) is None else r.find(metric)

    def metric(name: str) -> Callable[[Record], Score | None]:
        return lambda record: record.find(name)

    above = metric("above_prior")
    return [
        *(column for column in MODEL if column.heading != "seed"),
        scored(f"{MAIN}, mean over methods [95 %]", metric(MAIN), with_interval),
        scored("sd over runs", metric("seed_sd"), kind="optional"),
        TableColumn("training runs", lambda r: str(trainings(r) or NOTHING)),
        *verdict_columns(lambda r: r),
        scored("− prior [95 %]", above, signed, "optional"),
        scored("P(best)", metric("p_first"), kind="optional"),
        scored("upper bound", metric("bound"), kind="optional"),
        scored("share of bound", metric("share_of_bound"), share, "optional"),
        scored("auroc", auroc("auroc"), with_n),
        scored("auroc, boxed images", auroc("auroc@boxed"), with_n),
        TableColumn("note", lambda r: "; ".join(filter(None, (r.reason, ranking.against_prior(above(r)))))),
    ]


def in_words(record: Record) -> str:
    """Format a network's mean with its interval, as ``0.570 [0.509, 0.630]``."""
    score = record.find(MAIN)
    return with_interval(score) if score is not None else number(None)
