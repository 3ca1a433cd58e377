"""Columns of a leaderboard with intervals and comparisons over training runs and patients."""

from collections.abc import Callable, Mapping

from benchmark.records.record import Record
from benchmark.report import select
from benchmark.report.columns import BLIND, TableColumn
from benchmark.report.leaderboard.entries import BETTER
from benchmark.report.table import NOTHING, number, share, with_interval
from core.names import MAIN
from core.scores import Score

RowComparisons = Mapping[tuple[object, ...], Record]
"""Row -> the record of its comparisons: see ``entries.comparisons_by_row``."""
HEADINGS = SINGLE, SPREAD, ONE_MORE, TRAININGS, MAY_BE_BEST, WORSE_BY, THAN = (
    *("of this network [95 %]", "sd over runs", "one more run [95 %]", "training runs"),
    *("may be the best", "worse by [95 %]", "than"),
)


def score_getter(known: RowComparisons, metric: str, finding: str = "mean") -> Callable[[Record], Score | None]:
    """Return a function from a record to the score ``metric`` of its row's comparisons (None if it has none)."""

    def pick(record: Record) -> Score | None:
        row = select.row_key(record)
        return known[row].find(metric, finding) if row in known else None

    return pick


def main_score_getter(known: RowComparisons, finding: str = "mean") -> Callable[[Record], Score | None]:
    """Return a function from a record to its main score, with the interval over training runs if there are several."""
    over_trainings = score_getter(known, MAIN, finding)
    return lambda record: over_trainings(record) or select.main_score(record, finding)


def of_entries(known: RowComparisons) -> list[TableColumn]:
    """Return the main column, its intervals and spread over training runs, and the verdict on the method."""
    spread, following = score_getter(known, "seed_sd"), score_getter(known, "one_more")

    def main(record: Record) -> str:
        score = main_score_getter(known)(record)
        return f"{share(score)} (1 run)" if is_single(record) and score is not None else with_interval(score)

    return [
        TableColumn(f"{MAIN} [95 %]", main, pick=main_score_getter(known)),
        TableColumn(SINGLE, lambda r: _ends(select.main_score(r)) if is_single(r) else NOTHING, "optional"),
        TableColumn(SPREAD, lambda r: share(spread(r)), "optional"),
        TableColumn(ONE_MORE, lambda r: _ends(following(r)), "optional"),
        TableColumn(TRAININGS, lambda r: _count(score_getter(known, "trainings")(r)), "model"),
        *verdict_columns(lambda r: known.get(select.row_key(r))),
    ]


def verdict_columns(find: Callable[[Record], Record | None]) -> list[TableColumn]:
    """Return columns that state whether a row may be the best, by how much it is worse, and than which row.

    ``find`` returns the record of a row's comparisons: of a method, a network or a method over networks.
    """

    def cell(read: Callable[[Record], str]) -> Callable[[Record], str]:
        return lambda record: NOTHING if (comparison := find(record)) is None else read(comparison)

    return [
        TableColumn(MAY_BE_BEST, cell(lambda r: yes_or_no(r.find("may_be_best"))), "optional"),
        TableColumn(WORSE_BY, cell(lambda r: with_interval(worse_by(r)[1])), "optional"),
        TableColumn(THAN, cell(lambda r: worse_by(r)[0] or NOTHING), "optional"),
    ]


def yes_or_no(score: Score | None) -> str:
    """Format a verdict; a dash if there is none."""
    return NOTHING if score is None else "yes" if score.value else "no"


def worse_by(comparison: Record, finding: str = "mean") -> tuple[str, Score | None]:
    """Return the name of the better row and the difference; empty for the top row and if nothing was compared."""
    name = next(
        iter(name for m, f in comparison.names(finding=finding) if f == finding and (name := m.partition(BETTER)[2])),
        "",
    )
    return name, comparison.find(f"{BETTER}{name}", finding) if name else None


def is_single(record: Record) -> bool:
    """Whether a row has one training run only. False for baselines that do not use the network."""
    return record.cell.seed is not None and record.cell.method not in BLIND


def _ends(score: Score | None) -> str:
    has_interval = score is not None and score.low is not None
    return f"[{number(score.low)}, {number(score.high)}]" if score is not None and has_interval else NOTHING


def _count(score: Score | None) -> str:
    return NOTHING if score is None or score.value is None else str(int(score.value))
